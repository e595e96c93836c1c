package activities_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// crampedCache finds every workspace over its limit as soon as a tool works in it.
type crampedCache struct{ activities.Cache }

func (c crampedCache) Watch(ctx context.Context, path string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	cancel(&cordon.Error{Kind: cordon.TargetTooLarge, Op: "use workspace", Name: path, Err: errors.New("it has grown to 3 GB, and may take 2 GB"), Fix: "delete something"})
	return ctx, func() { cancel(context.Canceled) }
}

// The run is told that its workspace is over its limit, not that the tool was
// cancelled, and no attempt is made again.
func TestAToolWhoseWorkspaceIsOverItsLimit(t *testing.T) {
	t.Parallel()
	h := open(t, options{cache: func(c activities.Cache) activities.Cache { return crampedCache{c} }})
	h.put("project", map[string]string{"a.py": "eval(input())\n"})
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"))
	path := h.path(a, err)
	for _, tool := range []string{activities.ScanCodeName, activities.ScanSecretsName, activities.InventoryFilesName, activities.ScanGoName} {
		_, _, err := h.call(tool, object(t, activities.ToolRequest{Path: path}))
		if app := failed(t, err); app.Type() != string(cordon.TargetTooLarge) || !app.NonRetryable() {
			t.Errorf("%s: got %s %q, want TargetTooLarge", tool, app.Type(), app.Message())
		}
	}
}

// lookingCache looks at who has the workspace while a tool works in it.
type lookingCache struct {
	activities.Cache
	look func()
}

func (c lookingCache) Watch(ctx context.Context, path string) (context.Context, context.CancelFunc) {
	c.look()
	return context.WithCancel(ctx)
}

// What becomes of the run, a sweep leaves a workspace alone in which a tool works.
func TestAToolHasALeaseOnItsWorkspace(t *testing.T) {
	t.Parallel()
	var h *house
	var live []bool
	look := func() {
		entries, err := h.cache.Entries()
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			for _, holder := range e.Holders {
				live = append(live, holder.Live)
			}
		}
	}
	h = open(t, options{cache: func(c activities.Cache) activities.Cache { return lookingCache{c, look} }})
	h.put("project", map[string]string{"a.py": "eval(input())\n"})
	path := h.result(h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}}))
	if _, _, err := h.call(activities.InventoryFilesName, object(t, activities.ToolRequest{Path: path})); err != nil {
		t.Fatal(err)
	}
	if len(live) != 1 || !live[0] {
		t.Errorf("while the tool worked, a living process had it: %v", live)
	}
	// Nobody holds it any more: then nothing may be relied on.
	if _, _, err := h.call(activities.CleanupCacheName, text(path)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	_, _, err := h.call(activities.InventoryFilesName, object(t, activities.ToolRequest{Path: path}))
	if app := failed(t, err); app.Type() != string(cordon.TargetNotFound) {
		t.Errorf("got %s %q, want TargetNotFound", app.Type(), app.Message())
	}
}
