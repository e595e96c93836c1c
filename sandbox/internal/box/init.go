package box

import (
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() {
	if len(os.Args) == 1 && os.Args[0] == Name {
		main()
		os.Exit(0)
	}
}

// ignoreSignals keeps a tool of the same uid from ending the init: Go has a handler for
// nearly all signals, so that they reach even pid 1, and most of those end the program.
// Package os/signal would do, but is initialised too late to be of use here. Go resets
// what it has handlers for in its children.
func ignoreSignals() {
	ignore := struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}{handler: 1} // SIG_IGN
	for sig := unix.SIGHUP; sig <= unix.SIGSYS; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, // which cannot be ignored
			unix.SIGCHLD,                                           // whose children would not be waited for
			unix.SIGURG,                                            // by which Go interrupts itself
			unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU: // which Go has no handlers for
			continue
		}
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&ignore)), 0, unsafe.Sizeof(ignore.mask), 0, 0)
	}
}

// box is the init's state once the tool runs.
type box struct {
	spec Spec

	mu     sync.Mutex
	events *json.Encoder
	tool   int    // process id, 0 before it runs
	ending bool   // everything is to be killed, and nothing started
	limit  string // why, where a watcher decided so
}

func main() {
	// A worker's descriptors that are not close-on-exec end here.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) // Linux before 5.11: they end with the tool's own exec, which passes three
	// Same uid or not, nobody inside may look into the init or become it.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	ignoreSignals()

	control := os.NewFile(Control, "control")
	orders := json.NewDecoder(control)
	b := &box{events: json.NewEncoder(control)}
	if err := orders.Decode(&b.spec); err != nil {
		return // the worker is gone, or this was started by hand
	}
	go b.obey(orders)

	if err := b.start(); err != nil {
		b.say(failure(err))
		return
	}
	b.say(Event{Started: true})
	if b.spec.Memory > 0 {
		go b.watchMemory()
	}
	b.say(b.reap())
}

func (b *box) start() error {
	// What is orphaned inside becomes a child of the init, to be waited for.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return doing("become subreaper", err)
	}
	if b.spec.Namespaces {
		if err := b.spec.enter(); err != nil {
			return err
		}
	}
	return b.spawn()
}

// obey does what the worker says, until the worker is gone: then nothing stays.
func (b *box) obey(orders *json.Decoder) {
	for {
		var o Order
		if err := orders.Decode(&o); err != nil || o.End {
			b.end("")
			return
		}
		b.mu.Lock()
		if b.tool != 0 && !b.ending {
			_ = syscall.Kill(-b.tool, o.Signal) // it may have ended already
		}
		b.mu.Unlock()
	}
}

// end kills everything inside; reap sees it through.
func (b *box) end(limit string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ending {
		b.ending, b.limit = true, limit
	}
	if b.tool == 0 {
		os.Exit(1) // the tool will not be started any more
	}
	b.killAll()
}

func (b *box) say(e Event) {
	_ = b.events.Encode(e) // the worker is gone: then obey ends this
}

// step is an error with what was tried.
type step struct {
	what string
	exec bool
	err  error
}

func (s *step) Error() string { return s.what + ": " + s.err.Error() }
func (s *step) Unwrap() error { return s.err }

func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return &step{what: what, err: err}
}

func failure(err error) Event {
	e := Event{Err: err.Error()}
	errors.As(err, &e.Errno)
	if s := (*step)(nil); errors.As(err, &s) {
		e.Exec = s.exec
	}
	return e
}
