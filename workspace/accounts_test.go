package workspace

import (
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Whoever has the accounts locked may be stopped in the middle: who only looks at
// them says so instead of waiting for ever.
func TestLookingAtTheAccountsEnds(t *testing.T) {
	c, id := openWithin(t, "content")
	base := idleEntry(t, c, id)
	lock, err := flock.Try(c.root(), janitorLock, flock.Exclusive)
	if lock == nil || err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	synctest.Test(t, func(t *testing.T) {
		_, err := c.Usage()
		_, other := c.Explain(t.Context(), base)
		for _, err := range []error{err, other} {
			if cordon.KindOf(err) != cordon.Busy {
				t.Errorf("error = %v", err)
			}
		}
	})
}

// The disk may be slow: nobody waits for a pin to reach it who needs the accounts.
func TestAPinIsOnTheDiskBeforeItLocksTheAccounts(t *testing.T) {
	c, id := openWithin(t, "content")
	idleEntry(t, c, id)
	lock, err := flock.Try(c.root(), janitorLock, flock.Exclusive)
	if lock == nil || err != nil {
		t.Fatal(err)
	}
	pinned := make(chan error, 1)
	go func() { pinned <- c.Pin(string(baseKey(id)), "test") }()
	for written := false; !written; {
		select {
		case err := <-pinned:
			t.Fatalf("nothing was written until it ended: %v", err)
		case <-time.After(time.Millisecond):
		}
		files, err := fs.Glob(c.root().FS(), pinsDir+"/.tmp-*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, _ := c.root().ReadFile(f) // or it is renamed by now
			written = written || len(b) > 0
		}
	}
	lock.Unlock()
	if err := <-pinned; err != nil {
		t.Error(err)
	}
	files, err := fs.Glob(c.root().FS(), pinsDir+"/*")
	if err != nil || len(files) != 1 || files[0] != pinFile(baseKey(id)) {
		t.Errorf("left: %v, %v", files, err)
	}
}
