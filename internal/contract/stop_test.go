package contract_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// Row 13, with a store that falls silent in the middle of a body: whoever stops
// the fetch must not wait for the store. What stops it by way of Temporal is in
// temporal_test.go. These tests look for what is left in the whole process, so
// none of them is parallel to another.

// mustBeOver is how long anything may take that was stopped.
const mustBeOver = 5 * time.Second

func TestRow13_StoppedWhileTheStoreIsSilent(t *testing.T) {
	for _, mode := range modes {
		for what, stop := range map[string]func(*desk, context.CancelFunc){
			"the last caller cancels": func(_ *desk, cancel context.CancelFunc) { cancel() },
			"the cache is closed":     func(d *desk, _ context.CancelFunc) { d.cache.Close() },
		} {
			t.Run(mode+", "+what, func(t *testing.T) {
				_, _, s := bulks(t)
				d, ctx, cancel, ended := asked(t, s, mode)
				began := time.Now()
				stop(d, cancel)
				select {
				case err := <-ended:
					if err == nil || ctx.Err() != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("the call ended with %v", err)
					}
				case <-time.After(mustBeOver):
					t.Error("the call goes on")
				}
				d.mustHaveStopped(t, began)
			})
		}
	}
}

// One of two that cancels takes nothing from the other.
func TestRow13_CancelledBesideAnotherCaller(t *testing.T) {
	for _, mode := range modes[1:] {
		t.Run(mode, func(t *testing.T) {
			first, _, s := bulks(t)
			heal := make(chan struct{})
			door := newDoor(t, s.Endpoint, func(v visit) {
				if v.later() {
					<-heal
				}
				v.pass(v)
			})
			d := newDeskOn(t, s.through(door.url))
			ctx, cancel := context.WithCancel(t.Context())
			cancelled, other, joined := make(chan error, 1), make(chan error, 1), make(chan bool)
			go func() { cancelled <- d.get(ctx, "run-1", mode, nil) }()
			d.mustBeArriving(4 << 20)
			follows := sync.OnceFunc(func() { close(joined) })
			go func() {
				other <- d.get(t.Context(), "run-2", mode, func(p workspace.Progress) {
					if p.Stage == "downloading" { // which the first caller does
						follows()
					}
				})
			}()
			select {
			case <-joined:
			case <-time.After(2 * mustBeOver):
				t.Error("the second caller does not follow the download")
			}
			cancel()
			select {
			case err := <-cancelled:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the call ended with %v", err)
				}
			case <-time.After(mustBeOver):
				t.Error("the call goes on")
			}
			close(heal)
			must(t, <-other)
			mustBeTree(t, d.getTarget("bulk", "run-2", mode), first.tree)
			d.mustHold(published("bulk", "run-2", mode)...)
			if n := d.downloads(); n != 1 {
				t.Errorf("%d downloads", n)
			}
		})
	}
}

// asked returns a desk whose cache was asked for the bulk, part of which is there
// when the store falls silent.
func asked(t *testing.T, s shelf, mode string) (*desk, context.Context, context.CancelFunc, <-chan error) {
	t.Helper()
	n := newNetwork(t, s.Endpoint)
	n.turns(t, slow)
	d := newDeskOn(t, s.through(n.url))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- d.get(ctx, "run-1", mode, nil) }()
	d.mustBeArriving(1 << 20)
	n.turns(t, silent)
	return d, ctx, cancel, ended
}

// get asks the cache itself.
func (d *desk) get(ctx context.Context, run, mode string, progress func(workspace.Progress)) error {
	t, err1 := cordon.ParseTargetID("bulk")
	r, err2 := cordon.ParseRunID(run)
	_, err3 := d.cache.Get(ctx, workspace.Request{Target: t, Run: r, Mode: cordon.Mode(mode), Progress: progress})
	return errors.Join(err1, err2, err3)
}

// mustHaveStopped fails unless nothing is left of a fetch that was stopped when
// began was.
func (d *desk) mustHaveStopped(t *testing.T, began time.Time) {
	t.Helper()
	mustFetchNothing(t)
	d.mustHold()
	mustNotExist(t, filepath.Join(d.cacheDir, "bulk"))
	if took := time.Since(began); took > mustBeOver {
		t.Errorf("it was over after %v", took)
	}
}
