package workspace

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

// Who needs the disk hears of no lack of it while this process is in the middle of
// deleting something, whatever names are left of that.
func TestDeletionsUnderWayAreWaitedFor(t *testing.T) {
	c, _ := openWithin(t, "content")
	c.fillDisk, c.minFree = false, cordon.BytesOf(1<<60)
	for _, tc := range []struct {
		name string
		wait func(ctx context.Context) error
		want cordon.Kind
	}{
		{"emptying the trash", func(ctx context.Context) error {
			c.freeTrash(ctx, map[string]error{})
			return nil
		}, ""},
		{"reserving", func(ctx context.Context) error {
			s, err := c.stage("test")
			if err != nil {
				return err
			}
			defer s.discard()
			return s.need(ctx, amount{4096, 1})
		}, cordon.NoSpace},
	} {
		var over atomic.Bool
		end := c.underDeletion.begin()
		time.AfterFunc(100*time.Millisecond, func() {
			over.Store(true)
			end()
		})
		if err := tc.wait(t.Context()); cordon.KindOf(err) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
		if !over.Load() {
			t.Errorf("%s: it was not waited for", tc.name)
		}
	}

	defer c.underDeletion.begin()()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	c.freeTrash(ctx, map[string]error{}) // ends with ctx
}

// Another process may be the one that deletes what this one removed.
func TestNothingIsRememberedOfWhatOthersDeleted(t *testing.T) {
	c, _ := openWithin(t, "content")
	c.leaving.Store("gone", &record{})
	c.deleteSoon("gone", nil)
	if _, ok := c.leaving.Load("gone"); ok {
		t.Error("its record is kept")
	}
}
