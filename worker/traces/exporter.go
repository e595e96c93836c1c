package traces

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// The first three are what OpenTelemetry's SDKs take unless told otherwise.
const (
	// sendEvery is how long a span waits for others.
	sendEvery = 5 * time.Second
	// sendMost is how many spans are sent at once; so many do not wait.
	sendMost = 512
	// waitMost is how many spans wait for a collector that does not take them: some
	// megabytes. Those that come then are lost.
	waitMost = 2048

	// flushTimeout is how long a program that ends waits for its last spans to be sent.
	flushTimeout = 2 * time.Second
	// warnEvery is how often it is said that spans do not arrive.
	warnEvery = time.Minute
)

// exporter sends spans from a goroutine of its own, which the first span starts. Whoever
// ends a span never waits.
type exporter struct {
	opts     Options
	resource func() []attribute
	client   *http.Client
	log      *slog.Logger

	full     chan struct{} // there is something to send at once
	stopping chan struct{}
	stopped  chan struct{} // nil until there is a goroutine

	mu      sync.Mutex
	waiting []*ended
	lost    int // since it was said last
	shut    bool

	failing bool      // of the goroutine, as is the next
	warned  time.Time // when it was said last
}

func newExporter(opts Options, resource func() []attribute) *exporter {
	transport := http.DefaultTransport.(*http.Transport).Clone() // proxies, as everybody sets them
	transport.TLSClientConfig = opts.Config.TLS
	return &exporter{
		opts: opts, resource: resource, log: opts.Logger, full: make(chan struct{}, 1), stopping: make(chan struct{}),
		client: &http.Client{
			Transport: transport, Timeout: opts.Config.Timeout,
			// A collector that sends its callers elsewhere would have the credentials sent there.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// put gives a span to be sent, or loses it.
func (e *exporter) put(s *ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut || len(e.waiting) >= waitMost {
		e.lost++
		return
	}
	e.waiting = append(e.waiting, s)
	if e.stopped == nil {
		e.stopped = make(chan struct{})
		go e.run()
	}
	if len(e.waiting) >= sendMost {
		select {
		case e.full <- struct{}{}:
		default:
		}
	}
}

// stop sends what waits, and ends the goroutine.
func (e *exporter) stop() {
	e.mu.Lock()
	first, stopped := !e.shut, e.stopped
	e.shut = true
	e.mu.Unlock()
	if first {
		close(e.stopping)
	}
	if stopped != nil {
		<-stopped
	}
}

func (e *exporter) run() {
	defer close(e.stopped)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-e.stopping
		time.AfterFunc(flushTimeout, cancel)
	}()
	for more := true; more; {
		full := e.full
		if e.failing {
			full = nil // a collector that is down is not asked for each batch
		}
		select {
		case <-full:
		case <-time.After(sendEvery):
		case <-e.stopping:
			more = false
		}
		for e.sendBatch(ctx) {
		}
	}
	e.mu.Lock()
	lost := e.lost + len(e.waiting)
	e.mu.Unlock()
	if lost > 0 {
		e.log.Warn("spans did not reach the collector of traces and are lost", "spans", lost, "endpoint", e.opts.Config.Endpoint)
	}
	e.client.CloseIdleConnections()
}

// sendBatch sends a batch, and reports whether to send another one at once. What the
// collector does not take now waits for the next time; what it refuses is lost.
func (e *exporter) sendBatch(ctx context.Context) (more bool) {
	e.mu.Lock()
	batch := e.waiting[:min(len(e.waiting), sendMost)]
	e.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	refused, again, err := e.send(ctx, batch)
	e.mu.Lock()
	if !again {
		e.waiting = append([]*ended(nil), e.waiting[len(batch):]...)
	}
	e.lost += refused
	more = !again && len(e.waiting) > 0
	waiting, lost := len(e.waiting), e.lost
	e.mu.Unlock()
	if ctx.Err() == nil {
		e.tell(err, waiting, lost)
	}
	return more
}

// tell says once in a while that spans do not arrive, and once that they do again.
func (e *exporter) tell(err error, waiting, lost int) {
	was := e.failing
	e.failing = err != nil
	switch {
	case err != nil && time.Since(e.warned) >= warnEvery:
		e.warned = time.Now()
		e.log.Warn("the collector of traces does not take spans; the next time tries again", "endpoint", e.opts.Config.Endpoint, "error", err,
			"waiting", waiting, "lost", lost, "fix", "see that it listens there for OTLP by HTTP, which is port 4318 mostly (4317 is gRPC)")
	case err == nil && was:
		e.log.Info("the collector of traces takes spans again", "endpoint", e.opts.Config.Endpoint, "lost", lost)
	default:
		return
	}
	e.mu.Lock()
	e.lost -= lost
	e.mu.Unlock()
}
