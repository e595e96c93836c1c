package admission

import (
	"context"
	"fmt"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/memory"
)

const (
	// LeastBytes and LeastInodes are what the disk has to have for a tool: what a build,
	// or the beginning of a corpus, writes.
	LeastBytes  = 64 << 20
	LeastInodes = 2000

	// leastMemory is what has to be free for a tool, in bytes: a compiler, or a fuzzer
	// with a sanitizer, comes to about that in its first seconds.
	leastMemory = 256 << 20

	// lookEvery is for how long a look at the host is good enough: what tools write in two
	// seconds, CACHE_MIN_FREE has room for.
	lookEvery = 2 * time.Second
	// lookTimeout bounds one look; the disk counts as full after it.
	lookTimeout = 10 * time.Second

	// patience is how long the only tool of a host waits for room that nobody here could
	// make. Other hosts take it meanwhile if they can.
	patience = 10 * time.Second
	// forgotten is after what time without a tool that wants to begin it starts anew.
	forgotten = 30 * time.Second
)

// refused is since when, and until when, tools were refused though none ran.
type refused struct{ first, last time.Time }

// kind is what a tool waits for.
type kind int

const (
	fits kind = iota
	noSlot
	noDisk
	noMemory
)

// reason is why a tool waits.
type reason struct {
	kind kind
	text string
}

// look looks at the host's disk and memory, unless somebody has just done so.
func (a *Admission) look() {
	a.looking.Lock()
	defer a.looking.Unlock()
	if time.Since(a.looked) < lookEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	disk := a.opts.Disk(ctx)
	if kind := cordon.KindOf(disk); disk != nil && kind != cordon.NoSpace && kind != cordon.Busy {
		// A disk that cannot be looked at is another one's trouble, and is told there.
		a.opts.Logger.Debug("cannot look whether the disk has room for tools; it counts as having it", "error", disk)
		disk = nil
	}
	state, err := a.opts.Memory()
	if err != nil {
		a.opts.Logger.Debug("cannot look whether there is memory for tools; it counts as being there", "error", err)
		state = memory.State{}
	}
	a.looked = time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.disk, a.memory = disk, state
}

// refuses returns why a tool that may take need bytes of memory, and is there, cannot begin
// now. tool names it. The caller has the lock, and has looked.
func (a *Admission) refuses(tool string, need int64) reason {
	if a.tools >= a.opts.Tools {
		return reason{noSlot, fmt.Sprintf("all %d slots for tools are taken (MAX_CONCURRENT_ACTIVITIES)", a.opts.Tools)}
	}
	why := a.room(tool, need)
	if why.kind == fits || a.tools > 0 {
		return why
	}
	now := time.Now()
	if now.Sub(a.alone.last) > forgotten {
		a.alone.first = now
	}
	a.alone.last = now
	if now.Sub(a.alone.first) >= patience {
		return reason{}
	}
	return why
}

// opens reports whether a tool that nobody knows yet could begin now. Where none runs, one
// is asked for now and then all the same, or nobody would ever be patient.
func (a *Admission) opens() bool {
	if a.noMore || a.tools >= a.opts.Tools {
		return false
	}
	if a.room("", 0).kind == fits {
		return true
	}
	if a.tools > 0 || time.Since(a.knocked) < comeAgain {
		return false
	}
	a.knocked = time.Now()
	return true
}

// room returns why the host has no room for it.
func (a *Admission) room(tool string, need int64) reason {
	size := cordon.FormatBytes
	kept := int64(0)
	if a.next.tool != tool && time.Now().Before(a.next.until) {
		kept = a.next.need
	}
	switch all := a.promised + kept + need; {
	case a.disk != nil:
		return reason{noDisk, a.disk.Error()}
	case a.memory.Total == 0: // unknown
	case a.memory.Available < leastMemory:
		return reason{noMemory, fmt.Sprintf("%s of memory are free, and a tool needs %s", size(a.memory.Available), size(leastMemory))}
	case need > 0 && all > a.memory.Total:
		return reason{noMemory, fmt.Sprintf("it may take %s of memory (limits), and of %s the limits of others have %s", size(need), size(a.memory.Total), size(all-need))}
	}
	return reason{}
}

// enterTool begins a tool, or returns why it cannot.
func (a *Admission) enterTool(tool string, need int64) reason {
	a.look()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.noMore {
		return reason{noSlot, "this worker is stopping"}
	}
	why := a.refuses(tool, need)
	a.tell(why)
	if why.kind != fits {
		if why.kind == noMemory && need > 0 && (a.next.tool == tool || time.Now().After(a.next.until)) {
			a.next = ticket{tool, need, time.Now().Add(3 * comeAgain)} // it has to find a worker's poll first
		}
		return why
	}
	if a.next.tool == tool {
		a.next = ticket{}
	}
	a.tools++
	a.promised += need
	return reason{}
}

func (a *Admission) leaveTool(need int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tools--
	a.promised -= need
	a.change()
}

// tell says once what tools begin to wait for, and once that they do not any more.
func (a *Admission) tell(now reason) {
	before := a.waits
	a.waits = now
	log := a.opts.Logger
	switch {
	case now.kind == before.kind:
	case now.kind == noSlot && a.toldSlots:
		log.Debug("tools wait", "why", now.text)
	case now.kind == noSlot: // every day's, once it is known
		a.toldSlots = true
		log.Info("tools wait for a slot; storage activities do not", "why", now.text)
	case now.kind != fits:
		log.Warn("tools wait: this host has no room for another one", "why", now.text)
	case before.kind != noSlot:
		log.Info("tools wait no longer: this host has room again")
	}
}
