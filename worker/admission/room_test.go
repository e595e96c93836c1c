package admission

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/memory"
)

const gib = 1 << 30

// host is a host whose disk and memory are what a test says.
type host struct {
	*Admission
	t      *testing.T
	disk   error
	memory memory.State
	log    bytes.Buffer
}

func newHost(t *testing.T, tools int) *host {
	h := &host{t: t, memory: memory.State{Total: 8 * gib, Available: 8 * gib}}
	h.Admission = New(Options{
		Tools: tools, Storage: 2, StorageNames: []string{"get_target"},
		Disk:   func(context.Context) error { return h.disk },
		Memory: func() (memory.State, error) { return h.memory, nil },
		Logger: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	return h
}

// mustWait fails unless the tool cannot begin, for want of this.
func (h *host) mustWait(tool string, need int64, words string) {
	h.t.Helper()
	if why := h.enterTool(tool, need); why.kind == fits || !strings.Contains(why.text, words) {
		h.t.Errorf("%s: %+v, want to wait for %q", tool, why, words)
	}
}

func (h *host) mustBegin(tool string, need int64) {
	h.t.Helper()
	if why := h.enterTool(tool, need); why.kind != fits {
		h.t.Errorf("%s waits: %s", tool, why.text)
	}
}

func (h *host) mustPoll(all, tools bool) {
	h.t.Helper()
	if got := h.pollsTools(false); got != tools {
		h.t.Errorf("tools are polled: %v", got)
	}
	if got := h.pollsAll(false); got != all {
		h.t.Errorf("all is polled: %v", got)
	}
}

func TestToolsHaveSlotsAndStorageHasOthers(t *testing.T) {
	h := newHost(t, 2)
	h.mustPoll(true, true)
	h.mustBegin("a", 0)
	h.mustBegin("b", 0)
	h.mustWait("c", 0, "MAX_CONCURRENT_ACTIVITIES")
	h.mustPoll(true, false) // what starves no storage
	if !h.enterStorage() || !h.enterStorage() || h.enterStorage() {
		t.Error("there are two storage slots")
	}
	h.mustPoll(false, false)
	h.leaveStorage()
	h.mustPoll(true, false)
	h.leaveTool(0)
	h.mustPoll(true, true)
	h.mustBegin("c", 0)
}

func TestAFullDiskKeepsToolsOutAndNotStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 3)
		h.mustBegin("a", 0)
		h.disk = &cordon.Error{Kind: cordon.NoSpace, Err: errors.New("the disk is short of 3 MB")}
		time.Sleep(lookEvery)
		h.mustWait("b", 0, "3 MB")
		h.mustWait("b", 0, "3 MB")
		h.mustPoll(true, false)
		time.Sleep(time.Hour) // as long as one runs, its end makes room
		h.mustWait("b", 0, "3 MB")
		if n := strings.Count(h.log.String(), "no room"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, &h.log)
		}
		h.disk = nil
		time.Sleep(lookEvery)
		h.mustBegin("b", 0)
		if !strings.Contains(h.log.String(), "has room again") {
			t.Errorf("the end was not said:\n%s", &h.log)
		}
		h.disk = errors.New("input/output error") // not a matter of room
		time.Sleep(lookEvery)
		h.mustBegin("c", 0)
	})
}

// Where no tool runs there is nobody whose end could make room: workspaces that wait for
// their tools may be what fills the disk.
func TestOneToolBeginsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 3)
		h.disk = &cordon.Error{Kind: cordon.NoSpace, Err: errors.New("full")}
		began := time.Now()
		for h.enterTool("a", 0).kind != fits {
			if time.Since(began) > time.Minute {
				t.Fatal("nothing ever begins")
			}
			polled := h.pollsTools(false)
			if again := h.pollsTools(false); again {
				t.Error("tools are asked for without a pause")
			}
			if !polled {
				t.Error("tools are not asked for")
			}
			time.Sleep(comeAgain)
		}
		if took := time.Since(began); took < patience {
			t.Errorf("it began after %v: other hosts had no chance", took)
		}
		h.mustWait("b", 0, "full") // one, and no more
		h.mustPoll(true, false)
	})
}

func TestMemoryIsWhatIsFreeAndWhatIsPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 5)
		h.mustBegin("a", 5*gib)
		h.mustWait("b", 4*gib, "8.59 GB") // the limits of both are more than there is
		h.mustBegin("c", 0)               // one without a limit
		h.memory.Available = leastMemory - 1
		time.Sleep(lookEvery)
		h.mustWait("d", 0, "memory are free")
		h.mustPoll(true, false)
		h.memory.Available = 4 * gib
		time.Sleep(lookEvery)
		h.mustBegin("d", 0)
		if s := h.Stats(); s.Promised != 5*gib || s.Tools != 3 || s.Memory.Available != 4*gib {
			t.Errorf("%+v", s)
		}
	})
}

// A tool that needs much has its memory kept while it comes again and again; small ones
// would take every bit that gets free.
func TestABigToolIsNotStarvedBySmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 5)
		h.mustBegin("small 1", 3*gib)
		h.mustBegin("small 2", 3*gib)
		h.mustWait("big", 5*gib, "limits")
		h.leaveTool(3 * gib)
		h.mustWait("small 3", 3*gib, "limits")
		time.Sleep(comeAgain)
		h.mustBegin("big", 5*gib)
		h.mustWait("small 3", 3*gib, "limits")

		// One that another host took keeps nothing for long.
		h.leaveTool(5 * gib)
		h.mustWait("big 2", 6*gib, "limits")
		time.Sleep(4 * comeAgain)
		h.mustBegin("small 3", 3*gib)
	})
}

func TestAWorkerThatDrainsBeginsNothing(t *testing.T) {
	h := newHost(t, 5)
	h.Drain()
	h.mustWait("a", 0, "stopping")
	h.mustPoll(false, false)
	if !h.Stats().Draining {
		t.Error("it does not say that it drains")
	}
}

func TestQueuesOfThoseThatWait(t *testing.T) {
	for queue, want := range map[string]string{"q": "q-waiting", "q@host": "q@host-waiting", "q-waiting": "q-waiting"} {
		if got := WaitingQueue(queue); got != want {
			t.Errorf("those of %s wait on %s", queue, got)
		}
	}
}
