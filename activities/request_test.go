package activities_test

import (
	"context"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workspace"
)

// asked remembers the last request.
type asked struct {
	activities.Cache

	mu  sync.Mutex
	req workspace.Request
}

func (a *asked) Get(ctx context.Context, req workspace.Request) (workspace.Workspace, error) {
	a.mu.Lock()
	a.req = req
	a.mu.Unlock()
	return a.Cache.Get(ctx, req)
}

func TestTheCacheIsAskedForWhatTheMetadataSays(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "isolated\nkeep_on_failure: true\nworkspace_max_size: 2GB")
	var a *asked
	h := open(t, options{catalog: []string{folder}, cache: func(c activities.Cache) activities.Cache {
		a = &asked{Cache: c}
		return a
	}})
	h.put("project", map[string]string{"a.txt": "a"})
	for class, want := range map[string]workspace.Request{
		"EditedWorkflow": {MaxSize: cordon.BytesOf(2 * cordon.GB), KeepOnFailure: true},
		"CallWorkflow":   {}, // without metadata
	} {
		run := h.start(class, nil, call{Activity: activities.GetTargetName, Args: []arg{text("project")}})
		h.result(run)
		a.mu.Lock()
		req := a.req
		a.mu.Unlock()
		if req.MaxSize != want.MaxSize || req.KeepOnFailure != want.KeepOnFailure {
			t.Errorf("%s: at most %v, kept on failure: %v", class, req.MaxSize, req.KeepOnFailure)
		}
		if o := req.Owner; o.Cluster == "" || o.RunID != run.GetRunID() || o.FirstRunID != run.GetRunID() || o.WorkflowID != run.GetID() {
			t.Errorf("%s: the owner is %+v", class, o)
		}
	}
}
