package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

// Lease keeps a workspace for as long as somebody works in it, whatever becomes
// of its run meanwhile: a sweep that finds the run closed leaves it alone.
type Lease struct{ f *os.File }

// File returns the descriptor that the lease lies on, for a tool to inherit: then
// the workspace stays until the tool and all that it started are gone too. The
// lease keeps owning it.
func (l *Lease) File() *os.File { return l.f }

// Release ends the lease, where no other process has inherited it.
func (l *Lease) Release() {
	_ = l.f.Close() // nothing was written to it
}

// Use keeps what stands at path, which Get returned, until the lease is released or
// this process and those that inherited the lease are gone. by's own hold is
// preferred; what another run holds serves as well, for a run may work where its
// parent's path leads. The error is a TargetNotFound *cordon.Error where nobody
// holds anything at path.
func (c *Cache) Use(ctx context.Context, path string, by Caller) (*Lease, error) {
	k, _, why := c.locate(path)
	if why != "" {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "use workspace", Name: fmt.Sprintf("%.200q", path),
			Err: errors.New(why), Fix: "give the path that get_target returned"}
	}
	unlock, there, err := c.standing(ctx, k)
	if err != nil {
		return nil, diskError("use workspace", path, err)
	}
	defer unlock()
	all, err := c.holds(k)
	if err != nil {
		return nil, diskError("use workspace", path, err)
	}
	for _, own := range []bool{true, false} {
		for name, h := range all {
			if !there || by.has(h) != own || h.Entry != "" {
				continue
			}
			l, err := c.leaseOn(ctx, name)
			if l != nil || err != nil {
				return l, diskError("use workspace", path, err)
			}
		}
	}
	return nil, &cordon.Error{Kind: cordon.TargetNotFound, Op: "use workspace", Name: path,
		Err: errors.New("no run holds it: it was cleaned up, or its run was over"), Fix: "call get_target again, and use the path that it returns"}
}

// usePatience is how long Use waits for whoever makes something of the version that
// a shared tree has, a base for example. Nobody removes a tree meanwhile that a run
// holds.
const usePatience = 2 * time.Second

// standing reports whether the entry k is there, and keeps it from being removed
// until unlock is called.
func (c *Cache) standing(ctx context.Context, k key) (unlock func(), there bool, err error) {
	none := func() {}
	r, err := c.current(k)
	if r == nil || err != nil {
		return none, false, err
	}
	wait, cancel := context.WithTimeout(ctx, usePatience)
	defer cancel()
	lock, err := flock.Acquire(wait, c.root(), r.lock(), flock.Shared, nil)
	switch {
	case err == nil:
		unlock = func() {
			lock.Unlock()
			if r.Kind == KindRun {
				c.heed(k) // a cleanup may have met the lock
			}
		}
	case wait.Err() != nil && ctx.Err() == nil && r.Kind == KindShared:
		unlock = none
	case wait.Err() != nil && ctx.Err() == nil:
		return none, false, &cordon.Error{Kind: cordon.Busy, Op: "use workspace", Name: c.abs(r.path()),
			Err: errors.New("it is being made or removed"), Fix: "try again"}
	default:
		return none, false, err
	}
	now, err := c.current(k)
	if err != nil {
		unlock()
		return none, false, err
	}
	return unlock, now != nil && now.Staging == r.Staging, nil
}

// leaseOn locks the hold name, shared, or returns nil if it is gone.
func (c *Cache) leaseOn(ctx context.Context, name string) (*Lease, error) {
	f, err := c.root().OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, ignoreGone(err)
	}
	// Only who looks whether the hold may go has it exclusively, for an instant.
	if err := flockWait(ctx, f, unix.LOCK_SH); err != nil {
		f.Close()
		return nil, err
	}
	if !sameFile(f, lstat(c.root(), name)) {
		f.Close()
		return nil, nil
	}
	return &Lease{f}, nil
}
