package web

import (
	"encoding/json"
	"net/http"
)

// Health is how a worker is.
type Health struct {
	Live     bool     // it does not hang
	Started  bool     // it has looked at itself
	Draining bool     // it takes nothing more, and ends when what it works on has ended
	Problems []string // why it cannot work; empty where it can
	About    any      // more of it, for the answer's "worker"; as JSON
}

// The words of an answer's status.
const (
	statusOK       = "ok"
	statusFailing  = "failing"
	statusStarting = "starting"
	statusDraining = "draining"
	statusStopping = "stopping"
	statusHanging  = "hanging"
)

// healthAnswer is the body of /healthz and /readyz.
type healthAnswer struct {
	Status   string   `json:"status"`
	Problems []string `json:"problems"`
	Worker   any      `json:"worker,omitempty"`
}

// live answers /healthz. A worker whose Temporal is away lives: to start it anew would
// end its tools, and bring no Temporal back.
func (s *Server) live(health func() Health) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := health()
		status := http.StatusOK
		if !h.Live {
			status = http.StatusServiceUnavailable
		}
		s.tell(w, status, h)
	}
}

// ready answers /readyz.
func (s *Server) ready(health func() Health) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := health()
		status := http.StatusOK
		if !h.Live || !h.Started || h.Draining || len(h.Problems) > 0 || s.stops() {
			status = http.StatusServiceUnavailable
		}
		s.tell(w, status, h)
	}
}

func (s *Server) stops() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

func (s *Server) tell(w http.ResponseWriter, status int, h Health) {
	a := healthAnswer{Status: statusOK, Problems: h.Problems, Worker: h.About}
	if a.Problems == nil {
		a.Problems = []string{}
	}
	switch {
	case !h.Live:
		a.Status = statusHanging
	case s.stops():
		a.Status = statusStopping
	case h.Draining:
		a.Status = statusDraining
	case !h.Started:
		a.Status = statusStarting
	case len(h.Problems) > 0:
		a.Status = statusFailing
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a client that is gone needs no answer
}
