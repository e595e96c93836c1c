package socket

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon/activities"
)

// lineTimeout is how long a line may take to be written. A client on the same host
// that has not read for so long has forgotten its call.
const lineTimeout = 10 * time.Second

// failure is an error as clients see it: what an ApplicationError is made of.
type failure struct {
	Type         string `json:"type"`
	Message      string `json:"message"`
	NonRetryable bool   `json:"non_retryable"`
}

func failureOf(err error) failure {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		errors.As(activities.ApplicationError("call", err), &app)
	}
	return failure{app.Type(), app.Message(), app.NonRetryable()}
}

// stream is the answer to one call: lines of JSON, each flushed. Its methods are safe
// for concurrent use.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController

	mu     sync.Mutex
	latest *activities.Progress // what the activity said last; nil: nothing yet
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{w: w, rc: http.NewResponseController(w)}
}

// report is told how far the activity is.
func (s *stream) report(p activities.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = &p
}

// beat sends a heartbeat every so often, also while the activity says nothing, until
// stop is called. lost is called when one cannot be sent.
func (s *stream) beat(every time.Duration, lost func()) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			s.mu.Lock()
			latest := s.latest
			s.mu.Unlock()
			if s.line(map[string]any{"heartbeat": latest}) != nil {
				lost()
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func (s *stream) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	// Where no deadline can be set, a write waits for as long as the kernel lets it.
	_ = s.rc.SetWriteDeadline(time.Now().Add(lineTimeout))
	if _, err := s.w.Write(append(text, '\n')); err != nil {
		return err
	}
	return s.rc.Flush()
}
