package workspace

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// mostAbreast is how many looks a sweep has under way at once, at most: each is a
// few system calls, and runs' tools want the cores too.
const mostAbreast = 4

// abreast calls do for every number below n, some at once, and returns what errors
// there were. After one it begins no others. No two calls have the same number.
func abreast(n int, do func(i int) error) error {
	workers := min(runtime.GOMAXPROCS(0), mostAbreast, n)
	if workers == 0 {
		return nil
	}
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, workers)
	work := func(w int) {
		for !failed.Load() {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			if errs[w] = do(i); errs[w] != nil {
				failed.Store(true)
			}
		}
	}
	var all sync.WaitGroup
	for w := 1; w < workers; w++ {
		all.Go(func() { work(w) })
	}
	work(0)
	all.Wait()
	return errors.Join(errs...)
}
