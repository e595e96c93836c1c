package activities

import (
	"context"
	"strings"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
)

// Workspace is what acquire_workspace returns: a run's workspace, and where it is.
type Workspace struct {
	Path string `json:"path"` // absolute; CONTRACT §1.2

	// TaskQueue is polled by the workers of the workspace's host alone, with the
	// activities of the worker that made it; "" where the caller of a Call has no queue.
	// Host is that host's id.
	TaskQueue string `json:"task_queue"`
	Host      string `json:"host"`

	TargetID string      `json:"target_id"`
	RunID    string      `json:"run_id"`
	Mode     cordon.Mode `json:"mode"`     // the one that holds (CONTRACT §2)
	Driver   string      `json:"driver"`   // how its view was made; "" where it is none
	Writable bool        `json:"writable"` // the run may write to it
}

// AcquireWorkspace is acquire_workspace: get_target, with the same arguments and
// errors, for callers who want later activities of the run to find the path. What it
// returns is ended by cleanup_cache like what get_target returns.
func (a *Activities) AcquireWorkspace(ctx context.Context, targetID, runID, isolation converter.RawValue) (Workspace, error) {
	ws, err := a.get(ctx, targetSignature(AcquireWorkspaceName), targetID, runID, isolation)
	if err != nil {
		return Workspace{}, err
	}
	host := a.cache.HostID()
	return Workspace{
		Path:      ws.Path,
		TaskQueue: HostQueue(infoOf(ctx).TaskQueue, host),
		Host:      host,
		TargetID:  ws.Target.String(),
		RunID:     ws.Run.String(),
		Mode:      ws.Mode,
		Driver:    ws.Driver,
		Writable:  !ws.ReadOnly,
	}, nil
}

// HostQueue names the task queue of one host's workers among all that poll queue.
// That of a host's own queue is itself, and no queue has none.
func HostQueue(queue, host string) string {
	if queue == "" {
		return ""
	}
	suffix := "@" + host
	return strings.TrimSuffix(queue, suffix) + suffix
}
