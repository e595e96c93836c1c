package crash

import (
	"context"
	"sync"
)

// atOnce is how many blobs are read at once: a listing is many small reads, each of
// which mostly waits for the store.
const atOnce = 16

// each calls f for every item, several at once, and returns the first error. After
// one, no more calls begin.
func each(ctx context.Context, items []string, f func(ctx context.Context, item string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var wg sync.WaitGroup
	for range min(atOnce, len(items)) {
		wg.Go(func() {
			for item := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := f(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}
