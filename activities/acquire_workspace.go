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

	// WatchQueue is where watch_workspace is called for it; "" where it cannot be.
	// HostWait, in seconds, is how long to wait there for the host to come back.
	WatchQueue string  `json:"watch_queue,omitempty"`
	HostWait   float64 `json:"host_wait_seconds,omitempty"`

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
	host, queue := a.cache.HostID(), infoOf(ctx).TaskQueue
	out := Workspace{
		Path:      ws.Path,
		TaskQueue: HostQueue(queue, host),
		Host:      host,
		TargetID:  ws.Target.String(),
		RunID:     ws.Run.String(),
		Mode:      ws.Mode,
		Driver:    ws.Driver,
		Writable:  !ws.ReadOnly,
	}
	if a.wait > 0 && !doorOf(ctx).called {
		out.WatchQueue, out.HostWait = WatchQueue(queue, host), a.wait.Seconds()
	}
	return out, nil
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
