package activities

import (
	"context"
	"sync"
	"time"
)

// Progress is how far an activity is: the details of its heartbeats.
type Progress struct {
	Stage string `json:"stage"` // "downloading", "scanning files"
	Done  int64  `json:"done"`  // in units, of this stage
	Total int64  `json:"total"` // 0 where unknown
	Unit  string `json:"unit"`  // one of the units below

	Fuzzing *FuzzState `json:"fuzzing,omitempty"` // of run_fuzzer
}

// The units of Progress.
const (
	Bytes   = "bytes"
	Files   = "files"
	Modules = "modules"

	Executions = "executions"
)

// HeartbeatInterval is how often an activity records a heartbeat. The SDK sends
// one every MaxHeartbeatThrottle at most; recording faster makes sure that there
// is always one to send, for its answer is how a cancellation arrives.
const HeartbeatInterval = time.Second

// MaxHeartbeatThrottle is what a worker that runs these activities sets as
// worker.Options.MaxHeartbeatThrottleInterval: the SDK's default would deliver
// a cancellation after 30 s (CONTRACT §1.6).
const MaxHeartbeatThrottle = 2 * time.Second

// heartbeat records heartbeats from one interval from now, so that a cache hit
// costs none, until stop returns, with the progress that was last reported.
// report is safe for concurrent use and does not block.
func heartbeat(ctx context.Context) (report func(Progress), stop func()) {
	every := HeartbeatInterval
	if t := infoOf(ctx).HeartbeatTimeout; t > 0 {
		every = min(every, max(t/3, time.Millisecond))
	}
	var (
		mu     sync.Mutex
		latest Progress
	)
	ctx, cancel := context.WithCancel(ctx)
	record := doorOf(ctx).heartbeat
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			mu.Lock()
			p := latest
			mu.Unlock()
			record(p)
		}
	}()
	report = func(p Progress) {
		mu.Lock()
		latest = p
		mu.Unlock()
	}
	return report, func() { cancel(); <-ended }
}
