package cli

import "sync"

// hurry is how a second signal reaches a command that takes its time to end.
type hurry struct {
	mu sync.Mutex
	ch chan struct{} // nil: nobody listens any more
}

// await returns a channel that the second signal closes, instead of ending the process.
func (h *hurry) await() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ch = make(chan struct{})
	return h.ch
}

// up tells who awaits it, once, and reports whether somebody did.
func (h *hurry) up() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ch == nil {
		return false
	}
	close(h.ch)
	h.ch = nil
	return true
}
