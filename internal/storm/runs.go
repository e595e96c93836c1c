package storm

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"github.com/cordonlabs/cordon/workspace"
)

// runsDir says which runs are over: a file of the run's name says how it ended and
// when. It is what Temporal is to real workers, and sometimes it does not answer.
type runsDir string

// answering always answers: what is over is known to be.
type answering struct{ runsDir }

// Fates implements workspace.Runs.
func (a answering) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	return a.fates(owners, func(string) bool { return false })
}

// close says that a run is over since now.
func (d runsDir) close(run, status string) error {
	file := filepath.Join(string(d), run)
	if err := os.WriteFile(file+".new", fmt.Appendf(nil, "%s %d", status, time.Now().UnixNano()), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Fates implements workspace.Runs.
func (d runsDir) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	return d.fates(owners, unanswered)
}

func (d runsDir) fates(owners []workspace.Owner, unanswered func(run string) bool) []workspace.Fate {
	all := make([]workspace.Fate, len(owners))
	for i, o := range owners {
		b, err := os.ReadFile(filepath.Join(string(d), o.RunID))
		var ns int64
		f := &all[i]
		switch _, serr := fmt.Sscan(string(b), &f.Status, &ns); {
		case unanswered(o.RunID):
			f.Why = errors.New("it does not answer")
		case errors.Is(err, os.ErrNotExist):
			f.State = workspace.RunOpen
		case err != nil || serr != nil:
			f.Why = errors.Join(err, serr)
		default:
			f.State, f.Failed, f.Closed = workspace.RunClosed, f.Status == failed, time.Unix(0, ns)
		}
	}
	return all
}

// failed is the status of a run that may keep its workspace.
const failed = "failed"

// unanswered is so for one run of ten, for a second of ten.
func unanswered(run string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(run)) // never fails
	return (uint64(h.Sum32())+uint64(time.Now().Unix()))%10 == 0 && time.Now().Unix()%2 == 0
}

// owner is what the engine knows of a run where it can ask about it.
func owner(run string) workspace.Owner {
	return workspace.Owner{Cluster: "storm", Namespace: "default", WorkflowID: "of-" + run, FirstRunID: run, RunID: run}
}
