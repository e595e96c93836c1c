package sandbox

import (
	"fmt"
	"slices"
)

// Promise is one thing that a sandbox keeps a tool from, by name.
type Promise string

// The promises.
const (
	View       Promise = "view"       // it sees nothing of the host but the system's programs and what it was given
	ReadOnly   Promise = "read-only"  // it changes nothing of what it may only read: no byte, mode, time, owner or attribute
	Processes  Promise = "processes"  // it sees and signals no process but its own
	OwnUser    Promise = "own-user"   // its user is nobody else's: not the cache owner's, not another run's
	Privileges Promise = "privileges" // it has no capability, gains none, and leaves no set-id file
	Kernel     Promise = "kernel"     // it makes no namespace, mount or device and reaches no interface that only administrators need
	Network    Promise = "network"    // it reaches no network, loopback included, unless that was asked for
	IPC        Promise = "ipc"        // its shared memory, queues and abstract sockets are its own
	Clean      Promise = "clean"      // it inherits no variable and no descriptor
	Death      Promise = "death"      // nothing of it outlives its end, a cancellation, or the worker's death

	LimitMemory    Promise = "limit-memory"
	LimitProcesses Promise = "limit-processes"
	LimitCPU       Promise = "limit-cpu"
	LimitTime      Promise = "limit-time"
	LimitBytes     Promise = "limit-bytes"
	LimitInodes    Promise = "limit-inodes"
)

// confinement is all but the limits: what tier full promises.
var confinement = []Promise{View, ReadOnly, Processes, OwnUser, Privileges, Kernel, Network, IPC, Clean, Death}

// Missing is a promise that is not kept, and why.
type Missing struct {
	Promise Promise `json:"promise"`
	Why     string  `json:"why"`
}

func (m Missing) String() string { return fmt.Sprintf("%s (%s)", m.Promise, m.Why) }

// Report says how a command is confined, or how commands are on this host. It goes
// into a run's record, result and metrics.
type Report struct {
	Tier     Tier      `json:"tier"`
	Enforced bool      `json:"enforced"` // the kernel confines it: any tier but none
	Promises []Promise `json:"promises"`
	Missing  []Missing `json:"missing,omitempty"`
}

// Keeps reports whether p is promised.
func (r Report) Keeps(p Promise) bool { return slices.Contains(r.Promises, p) }

// lose moves p from what is promised to what is missing.
func (r *Report) lose(p Promise, why string) {
	r.Promises = slices.DeleteFunc(r.Promises, func(q Promise) bool { return q == p })
	if !slices.ContainsFunc(r.Missing, func(m Missing) bool { return m.Promise == p }) {
		r.Missing = append(r.Missing, Missing{p, why})
	}
}

func (r *Report) keep(p Promise) {
	if !r.Keeps(p) {
		r.Promises = append(r.Promises, p)
	}
}

func (r Report) clone() Report {
	r.Promises, r.Missing = slices.Clone(r.Promises), slices.Clone(r.Missing)
	return r
}
