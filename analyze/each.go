package analyze

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// maxWorkers bounds the files that one analyser reads at a time: beyond it,
// memory grows and speed does not.
const maxWorkers = 8

// Each calls do for every file, from as many goroutines as there are processors, and
// tells progress. It returns when all calls have returned: early, with the context's cause,
// if ctx ends.
func Each(ctx context.Context, files []File, progress Progress, do func(context.Context, File)) error {
	var (
		next atomic.Int64
		mu   sync.Mutex
		done int
		wg   sync.WaitGroup
	)
	for range min(runtime.GOMAXPROCS(0), maxWorkers, max(len(files), 1)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				do(ctx, files[i])
				mu.Lock()
				done++
				if progress != nil {
					progress(done, len(files))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
