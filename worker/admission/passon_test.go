package admission

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
)

// That another host takes what is passed on is tested with real ones: internal/fleet.
func TestAHostWithoutRoomLeavesSharedQueuesToOthersForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		others := 0
		h.opts.Others = func(context.Context, activity.Info) int { return others }
		h.cannot = true // no server is here to change an activity at
		shared, own := slots{h.Admission, h.pollsAll, true}, slots{h.Admission, h.pollsAll, false}
		mustPoll := func(want bool) {
			t.Helper()
			if shared.open(false) != want || shared.open(true) != want || !own.open(false) {
				t.Errorf("the shared queue is polled: %v, its own: %v; want %v and true", shared.open(false), own.open(false), want)
			}
		}
		info := activity.Info{WorkflowExecution: workflow.Execution{ID: "w", RunID: "r"}, Attempt: 1}
		fail := func(kind cordon.Kind) {
			t.Helper()
			err := error(temporal.NewApplicationError("no", string(kind)))
			if got := h.passOn(info, err); got != err {
				t.Errorf("the caller gets %v", got)
			}
		}
		fail(cordon.NoSpace) // nobody else would take anything
		mustPoll(true)
		others = 1
		fail(cordon.StorageUnavailable)
		mustPoll(true)
		fail(cordon.NoSpace)
		mustPoll(false)
		time.Sleep(asideFor)
		mustPoll(true)
		h.cannot = false // and nobody is asked, for all of them have had it twice
		info.Attempt = 2*passes + 1
		fail(cordon.NoSpace)
		mustPoll(false)
	})
}
