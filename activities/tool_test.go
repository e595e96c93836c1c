package activities_test

import (
	"context"
	"errors"
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
