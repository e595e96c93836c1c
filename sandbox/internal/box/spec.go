package box

import (
	"syscall"
	"time"
)

// Name is argv[0] of the init.
const Name = "cordon-sandbox-init"

// Control is the init's descriptor of the socket that its worker has the other end
// of: a Spec and then Orders come in, Events go out. Its end is the worker's end.
const Control = 3

// Spec is what the init is to build and run. Descriptors are the init's own
// numbers; 0 means none.
type Spec struct {
	Args []string // none: everything is built and given up, and nothing run
	Env  []string
	Dir  string

	Namespaces bool   // the init is pid 1 of namespaces of its own
	Binds      []Bind // what the tool sees of the host, parents before what is in them
	Files      []File // what the root has besides
	Links      []Link
	Temporary  int64 // bytes that /tmp, and again /dev/shm, may hold
	TempInodes int64 // inodes in either
	Hostname   string

	UID, GID int   // of the tool; -1: the init's own
	IDMap    int   // user namespace that binds with Mapped are seen through
	Cgroups  []int // open "tasks" (v1) and "cgroup.procs" (v2) files, for the tool to be counted there
	Rlimits  []Rlimit
	Landlock *Landlock
	Seccomp  bool
	Network  bool

	// Memory, if not zero, is how many bytes the tool's processes may have resident
	// together, measured every MemoryEvery: for want of a cgroup.
	Memory      int64
	MemoryEvery time.Duration
}

// Bind shows one directory or file of the host at the same path.
type Bind struct {
	Path     string
	Source   string // where it differs from Path
	Writable bool
	Devices  bool // devices work there
	Mapped   bool // seen through Spec.IDMap
	Follow   bool // links in the source's path are followed
	Optional bool // nothing happens where the source does not exist
}

// File is a small read-only file of the sandbox's own.
type File struct {
	Path string
	Data []byte
}

// Link is a symbolic link of the sandbox's own.
type Link struct{ Path, Target string }

// Rlimit sets both the soft and the hard limit of a resource, or lowers them.
type Rlimit struct {
	Resource int
	Value    uint64
}

// Landlock says what the tool may reach where it exists.
type Landlock struct {
	Readable []string // and executable
	Writable []string
	Devices  []string // files that are read, written and asked by ioctl
}

// Order is what the worker says while the tool runs.
type Order struct {
	Signal syscall.Signal // to the tool's process group
	End    bool           // kill everything
}

// Event is what the init says. The first is either Started or an error, the last
// one Ended; its lack means that the init was killed.
type Event struct {
	Started bool `json:",omitempty"`

	Err   string        `json:",omitempty"` // what could not be done
	Errno syscall.Errno `json:",omitempty"`
	Exec  bool          `json:",omitempty"` // it was the tool's own program that could not be run

	Ended  bool               `json:",omitempty"`
	Status syscall.WaitStatus `json:",omitempty"`
	Limit  string             `json:",omitempty"` // the limit whose watcher ended it
	CPU    time.Duration      `json:",omitempty"` // of all that it waited for
	MaxRSS int64              `json:",omitempty"` // bytes, of the largest process
}
