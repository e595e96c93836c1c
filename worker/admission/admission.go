package admission

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon/internal/memory"
)

// Options say what there is to share out.
type Options struct {
	Tools   int // activities at once that are not in Storage; at least 1
	Storage int // activities at once that are; at least 1

	StorageNames []string // the activities that have slots of their own

	// Need is the memory that a tool may take, in bytes; 0 where nobody says.
	Need func(activity.Info) int64
	// Disk says why the disk has no room for a tool more; nil where it has.
	Disk func(context.Context) error
	// Others is how many other hosts might do an activity for which this one has no room.
	Others func(context.Context, activity.Info) int
	// Memory is memory.Read outside of tests.
	Memory func() (memory.State, error)

	// Service is Temporal, and Identity how the worker calls itself to it.
	Service  func() workflowservice.WorkflowServiceClient
	Identity string

	Logger *slog.Logger
}

// Admission shares the slots of one worker process out among all queues that it polls.
// It is safe for concurrent use.
type Admission struct {
	opts Options

	looking sync.Mutex // one looks at the host at a time
	looked  time.Time  // of looking

	mu        sync.Mutex
	changed   chan struct{} // closed, and made anew, when somebody who waits should look again
	storage   int
	tools     int
	parked    int   // tools that wait inside
	promised  int64 // the memory limits of the tools that run
	next      ticket
	alone     refused
	aside     time.Time // until when other hosts have the queues that they poll too
	knocked   time.Time // when a tool was asked for last though there is no room
	disk      error     // as looked at last
	memory    memory.State
	waits     reason // why tools that come wait; none: they do not
	toldSlots bool
	handedOn  int64
	noMore    bool // tools are not begun any more
	cannot    bool // hand on: the server does not know how, or refuses
	stopping  chan struct{}
	ended     bool // stopping is closed
}

// ticket is the memory that is kept for a tool which found too little.
type ticket struct {
	tool  string
	need  int64
	until time.Time
}

// Stats is how the slots are taken at one moment.
type Stats struct {
	Tools, ToolSlots      int
	Storage, StorageSlots int

	Parked   int   // tools that wait inside of the worker, for a server that cannot have them back
	HandedOn int64 // how often a tool was handed on since the worker began

	Promised int64        // bytes: the memory limits of the tools that run, added up
	Memory   memory.State // as looked at last; zero before the first tool
	Waiting  string       // why a tool that came last waits; "" where it does not
	Draining bool         // the worker takes nothing more
}

// New returns the admission of a worker that has begun nothing yet.
func New(opts Options) *Admission {
	return &Admission{opts: opts, changed: make(chan struct{}), stopping: make(chan struct{})}
}

// Stats returns how the slots are taken now.
func (a *Admission) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Stats{
		Tools: a.tools, ToolSlots: a.opts.Tools, Storage: a.storage, StorageSlots: a.opts.Storage,
		Parked: a.parked, HandedOn: a.handedOn, Promised: a.promised, Memory: a.memory, Waiting: a.waits.text, Draining: a.noMore,
	}
}

// Drain makes the worker begin no tool more, those that still come are handed on, and open
// no poll more.
func (a *Admission) Drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noMore = true
	a.change()
}

// Stop says that what runs is told to end now, and is not to pay for it with an
// attempt. It is called before that is told.
func (a *Admission) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended, a.noMore = true, true
		close(a.stopping)
		a.change()
	}
}

// change wakes those who wait. The caller has the lock.
func (a *Admission) change() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// isStorage reports whether an activity has a storage slot.
func (a *Admission) isStorage(name string) bool { return slices.Contains(a.opts.StorageNames, name) }

// enterStorage takes a storage slot if there is one.
func (a *Admission) enterStorage() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.storage >= a.opts.Storage {
		return false
	}
	a.storage++
	return true
}

func (a *Admission) leaveStorage() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.storage--
	a.change()
}

// tick is how often somebody who waits looks whether the host has room now, of which
// nobody tells.
const tick = time.Second

// wait returns when something has changed, or may have, or when ctx is done.
func (a *Admission) wait(ctx context.Context) {
	a.mu.Lock()
	changed := a.changed
	a.mu.Unlock()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Tuner returns what makes the SDK poll a queue while there is a slot for something on it.
// shared says that other hosts may poll it too.
func (a *Admission) Tuner(shared bool) (worker.WorkerTuner, error) {
	return tuner(slots{a, a.pollsAll, shared})
}

// WaitingTuner is Tuner for the queue of tools that were handed on.
func (a *Admission) WaitingTuner(shared bool) (worker.WorkerTuner, error) {
	return tuner(slots{a, a.pollsTools, shared})
}
