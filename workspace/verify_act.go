package workspace

import (
	"context"
	"errors"

	"github.com/cordonlabs/cordon/internal/flock"
)

// accuse takes what is damaged out of use.
func (v *verification) accuse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, accusePatience)
	defer cancel()
	lock, err := flock.Acquire(ctx, v.c.root(), v.r.lock(), flock.Exclusive, nil)
	if err != nil {
		v.c.suspect(v.r, v.guilty)
		return errors.New("somebody uses it all the time; verify it again")
	}
	defer lock.Unlock()
	now, err := v.c.current(v.r.Key)
	if err != nil {
		return err
	}
	if now == nil || now.Staging != v.r.Staging {
		v.out.Action = "it went meanwhile"
		return nil
	}
	gone, err := v.c.convict(now, v.guilty)
	v.out.Action = "runs have it and keep it; no new run gets it"
	if gone && err == nil {
		v.out.Action = "moved to quarantine; the next run gets it anew"
	}
	return err
}

// dropObject removes a kept object that is not what it was: its tree can do without.
func (v *verification) dropObject(ctx context.Context) error {
	c := v.c
	ctx, cancel := context.WithTimeout(ctx, accusePatience)
	defer cancel()
	lock, err := flock.Acquire(ctx, c.root(), v.r.lock(), flock.Shared, nil)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	janitor, err := flock.Acquire(ctx, c.root(), janitorLock, flock.Exclusive, nil)
	if err != nil {
		return err
	}
	defer janitor.Unlock()
	now, err := c.current(v.r.Key)
	if now == nil || err != nil || now.Staging != v.r.Staging || now.Object == 0 {
		return err
	}
	if _, err = c.dropObject(now, Tampered, "damaged: "+v.badObject); err == nil {
		v.out.Action = "the kept object was removed; the tree does without it"
	}
	return err
}
