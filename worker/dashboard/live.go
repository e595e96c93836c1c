package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hub tells browsers what has changed on the pages that they look at. However many look at
// a page, it is made once; while nobody looks, nothing is done.
type hub struct {
	topics map[string]func(context.Context) (any, error)
	render func(topic string, model any) (html, twin []byte, err error)

	mu      sync.Mutex
	readers map[*reader]bool
	last    map[string]shown // by topic, while somebody looks at it
	busy    bool             // the goroutine runs that makes pages
}

// shown is a live part, as browsers have it.
type shown struct{ html, twin []byte }

// reader is one browser's page.
type reader struct {
	topic string
	twin  bool          // it wants JSON
	news  chan struct{} // of one: there is something that it does not have
}

const (
	// liveEvery is how often a page that somebody looks at is made anew.
	liveEvery = 2 * time.Second

	// mostReaders bounds the pages that are told at once. One more is told to try again.
	mostReaders = 200

	// aliveEvery is how often a reader is told something in any case: proxies end connections
	// that say nothing, and a browser that is gone shows only by what is sent.
	aliveEvery = 15 * time.Second

	// sendTime is how long one message may take; who reads slower is cut off, and comes again.
	sendTime = 10 * time.Second
)

// join adds a reader, or reports that there are too many.
func (h *hub) join(r *reader) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) >= mostReaders {
		return false
	}
	if h.readers == nil {
		h.readers, h.last = map[*reader]bool{}, map[string]shown{}
	}
	h.readers[r] = true
	if len(h.last[r.topic].html) > 0 {
		r.news <- struct{}{} // its page may be older
	}
	if !h.busy {
		h.busy = true
		go h.make()
	}
	return true
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
}

// make makes the pages that somebody looks at, until nobody does.
func (h *hub) make() {
	for {
		topics := map[string]bool{}
		h.mu.Lock()
		for r := range h.readers {
			topics[r.topic] = true
		}
		for topic := range h.last {
			if !topics[topic] {
				delete(h.last, topic) // the next who looks gets what is true then
			}
		}
		if len(topics) == 0 {
			h.busy = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		for topic := range topics {
			h.makeOne(topic)
		}
		time.Sleep(liveEvery)
	}
}

func (h *hub) makeOne(topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	model, err := h.topics[topic](ctx)
	if err != nil {
		return // the page stays as it is; who loads it anew is told why
	}
	html, twin, err := h.render(topic, model)
	if err != nil {
		return // likewise
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.last[topic]; bytes.Equal(now.html, html) && bytes.Equal(now.twin, twin) {
		return
	}
	h.last[topic] = shown{html, twin}
	for r := range h.readers {
		if r.topic == topic {
			select {
			case r.news <- struct{}{}:
			default: // it has not read the news before these, and will read these
			}
		}
	}
}

// now returns what a reader should have.
func (h *hub) now(r *reader) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.twin {
		return h.last[r.topic].twin
	}
	return h.last[r.topic].html
}

// events sends the live part of a page whenever it changes (server-sent events): to a page as
// HTML, under /api/v1 as the page's twin.
func (d *Dashboard) events(w http.ResponseWriter, r *http.Request) {
	me := &reader{topic: r.URL.Query().Get("topic"), twin: strings.HasPrefix(r.URL.Path, api+"/"), news: make(chan struct{}, 1)}
	if d.live.topics[me.topic] == nil {
		d.answer(w, nil, unknownChoice("topic", me.topic, d.live.topics))
		return
	}
	if !d.live.join(me) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many pages are told what changes; try again later.", http.StatusServiceUnavailable)
		return
	}
	defer d.live.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that collects answers would keep this one for ever
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for requests; at it, this one would end
	send := func(message string) bool {
		// The server's own deadlines are for answers that end; where there are none, none is needed.
		_ = out.SetWriteDeadline(time.Now().Add(sendTime))
		_, err := fmt.Fprint(w, message)
		return err == nil && out.Flush() == nil
	}
	if !send("retry: 3000\n\n") {
		return
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		message := ": alive\n\n"
		select {
		case <-r.Context().Done():
			return
		case <-alive.C:
		case <-me.news:
			message = sseMessage(me.topic, d.live.now(me))
		}
		if !send(message) {
			return
		}
	}
}

// sseMessage is one server-sent event.
func sseMessage(topic string, body []byte) string {
	var b strings.Builder
	b.WriteString("event: " + topic + "\n")
	for line := range strings.Lines(string(body)) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	return b.String()
}
