package workspace

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/flock"
)

// onlyAppending opens files that cannot be written to at a place, as on a full disk.
type onlyAppending struct{ *os.Root }

func (d onlyAppending) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	return d.Root.OpenFile(name, flag|os.O_APPEND, perm)
}

// A promise that cannot be written leaves the one before.
func TestAPromiseCountsUntilThereIsAnother(t *testing.T) {
	c, _ := openWithin(t, "content")
	s, err := c.stage("test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.discard()
	long := reservation{ID: s.id, Bytes: 1 << 40, Inodes: 1000, Since: time.Unix(1, 0).UTC(), Object: 1 << 30}
	short := reservation{ID: s.id, Bytes: 1, Since: long.Since}
	for _, want := range []reservation{long, short, long} {
		if err := s.promise(want); err != nil {
			t.Fatal(err)
		}
		if p, err := c.reservations(); !slices.Equal(p.alive, []reservation{want}) || err != nil {
			t.Errorf("promised %+v, %v, want %+v", p, err, want)
		}
	}
	s.lock.Unlock()
	if s.lock, err = flock.Try(onlyAppending{c.root().Root}, s.file(), flock.Exclusive); s.lock == nil || err != nil {
		t.Fatal("not locked again:", err)
	}
	if err := s.promise(short); err == nil {
		t.Error("it was written")
	}
	if p, err := c.reservations(); !slices.Equal(p.alive, []reservation{long}) || err != nil {
		t.Errorf("promised %+v, %v, want %+v", p, err, long)
	}
}

// Several who look at what a dead process reserved see that it is dead.
func TestLookersDoNotTakeEachOtherForTheOwner(t *testing.T) {
	c, _ := openWithin(t, "content")
	if err := c.root().WriteFile(reservationsDir+"/dead", []byte(`{"bytes":1048576}`), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := flock.Try(c.root(), reservationsDir+"/dead", flock.Shared)
	if other == nil || err != nil {
		t.Fatal(err)
	}
	defer other.Unlock()
	if p, err := c.reservations(); len(p.dead) != 1 || len(p.alive) != 0 || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	report, err := c.Sweep(t.Context(), SweepOptions{})
	if err != nil || len(report.Removals) != 1 {
		t.Errorf("the sweep removed %+v, %v", report.Removals, err)
	}
}

// Whoever emptied the cache by hand may have taken the trash too: what cannot be
// moved there is still where it was, and is not said to be gone.
func TestWithoutATrashNothingIsGone(t *testing.T) {
	c, _ := openWithin(t, "content")
	s, err := c.stage("test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.discard()
	if err := c.root().Remove(trashDir); err != nil {
		t.Fatal(err)
	}
	if err := s.clear(); !lacking(err) {
		t.Errorf("cleared without a trash: %v, want an error that says that it is lacking", err)
	}
	if err := c.rebuild(); err != nil {
		t.Fatal(err)
	}
	if err := s.openEntry(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("what was to be cleared: %v, want it where it was", err)
	}
	if err := c.trashSized(s.at("none"), amount{}, nil); err != nil {
		t.Errorf("of what is not there: %v", err)
	}
}
