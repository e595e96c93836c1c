package flock_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/flock"
)

func open(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func try(t *testing.T, root *os.Root, mode flock.Mode) *flock.Lock {
	t.Helper()
	l, err := flock.Try(root, "lock", mode)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWhoExcludesWhom(t *testing.T) {
	for _, tc := range []struct {
		name        string
		have, want  flock.Mode
		mustExclude bool
	}{
		{"shared lets shared in", flock.Shared, flock.Shared, false},
		{"shared keeps exclusive out", flock.Shared, flock.Exclusive, true},
		{"exclusive keeps shared out", flock.Exclusive, flock.Shared, true},
		{"exclusive keeps exclusive out", flock.Exclusive, flock.Exclusive, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := open(t)
			have := try(t, root, tc.have)
			defer have.Unlock()
			if l := try(t, root, tc.want); (l == nil) != tc.mustExclude {
				t.Errorf("lock taken: %v", l != nil)
			}
			have.Unlock()
			if l := try(t, root, flock.Exclusive); l == nil && tc.mustExclude {
				t.Error("still locked after Unlock")
			}
		})
	}
}

func TestAcquireWaits(t *testing.T) {
	root := open(t)
	have := try(t, root, flock.Exclusive)
	waiting := make(chan struct{})
	got := make(chan error, 1)
	go func() {
		l, err := flock.Acquire(t.Context(), root, "lock", flock.Shared, func() { close(waiting) })
		l.Unlock()
		got <- err
	}()
	<-waiting
	select {
	case err := <-got:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	have.Unlock()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestAcquireGivesUp(t *testing.T) {
	root := open(t)
	defer try(t, root, flock.Exclusive).Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := flock.Acquire(ctx, root, "lock", flock.Shared, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}

// A lock on a file that lost its name excludes nobody, so it must not be had.
func TestUnlinkedFileIsNotTheLock(t *testing.T) {
	root := open(t)
	old := try(t, root, flock.Exclusive)
	if err := root.Remove("lock"); err != nil {
		t.Fatal(err)
	}
	fresh := try(t, root, flock.Exclusive)
	if fresh == nil {
		t.Fatal("the new file cannot be locked")
	}
	old.Unlock()
	if l := try(t, root, flock.Exclusive); l != nil {
		t.Error("two hold the lock")
	}
	fresh.Unlock()
}

// cleared removes a lock file in the instant between somebody's opening and locking it.
type cleared struct {
	*os.Root
	opened int
}

func (c *cleared) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := c.Root.OpenFile(name, flag, perm)
	if c.opened++; c.opened == 1 && err == nil {
		err = c.Root.Remove(name)
	}
	return f, err
}

func TestNameLostBeforeTheLock(t *testing.T) {
	root := open(t)
	dir := &cleared{Root: root}
	l, err := flock.Try(dir, "lock", flock.Exclusive)
	if err != nil || l == nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	if try(t, root, flock.Exclusive) != nil {
		t.Error("two hold the lock")
	}
}
