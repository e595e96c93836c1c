package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// hits has callers Get a shared tree again and again, each for a run that holds it already.
func (e *engine) hits(ctx context.Context, j job) (answer, error) {
	reqs := make([]workspace.Request, j.Callers)
	for i := range reqs {
		var err error
		if reqs[i], err = e.request(j.Target, e.name(), cordon.Shared); err != nil {
			return answer{}, err
		}
		if _, err := e.cache.Get(ctx, reqs[i]); err != nil {
			return answer{}, err
		}
	}
	a, err := crowd(j, func(caller, _ int) (time.Duration, error) {
		start := time.Now()
		_, err := e.cache.Get(ctx, reqs[caller])
		return time.Since(start), err
	})
	for _, req := range reqs {
		if err == nil {
			_, err = e.cleaned(ctx, e.sharedPath(req.Target), req.Run.String(), workspace.Released)
		}
	}
	return a, err
}

// holds has callers Get it again and again, each time for a new run, and clean up.
func (e *engine) holds(ctx context.Context, j job) (answer, error) {
	prefix := e.name()
	return crowd(j, func(caller, i int) (time.Duration, error) {
		req, err := e.request(j.Target, fmt.Sprintf("%s-%d-%d", prefix, caller, i), cordon.Shared)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		ws, err := e.cache.Get(ctx, req)
		if err == nil {
			_, err = e.cleaned(ctx, ws.Path, req.Run.String(), workspace.Released)
		}
		return time.Since(start), err
	})
}

// crowd has all callers call do so many times as j says, at once.
func crowd(j job, do func(caller, i int) (time.Duration, error)) (a answer, err error) {
	each := make([][]float64, j.Callers)
	errs := make([]error, j.Callers)
	var all sync.WaitGroup
	before, err := ownCPU()
	if err != nil {
		return a, err
	}
	start := time.Now()
	for c := range j.Callers {
		all.Go(func() {
			for i := range j.N {
				took, err := do(c, i)
				if err != nil {
					errs[c] = err
					return
				}
				each[c] = append(each[c], took.Seconds())
			}
		})
	}
	all.Wait()
	a.Took = time.Since(start).Seconds()
	after, err := ownCPU()
	a.CPU = after - before
	if err != nil {
		return a, err
	}
	for _, err := range errs {
		if err != nil {
			return a, err
		}
	}
	a.Each = slices.Concat(each...)
	return a, nil
}

// ownCPU returns the seconds that this process has run, as itself and as the kernel.
func ownCPU() (float64, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}
