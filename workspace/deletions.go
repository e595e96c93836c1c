package workspace

import (
	"context"
	"sync"
)

// deletions are those that are under way in this process. A file's name goes first,
// and its blocks with the end of the call: who looks at the trash sees nothing of it.
type deletions struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{} // each closed at its end
}

// begin notes a deletion until end is called.
func (d *deletions) begin() (end func()) {
	done := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[chan struct{}]struct{}{}
	}
	d.all[done] = struct{}{}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.all, done)
		close(done)
	}
}

// any reports whether one is under way.
func (d *deletions) any() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all) > 0
}

// wait waits for the end of those that are under way now, or of ctx.
func (d *deletions) wait(ctx context.Context) {
	d.mu.Lock()
	var now []chan struct{}
	for done := range d.all {
		now = append(now, done)
	}
	d.mu.Unlock()
	for _, done := range now {
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}
