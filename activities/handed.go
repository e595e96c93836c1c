package activities

import (
	"sync"

	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/workspace"
)

// handed remembers what get_target handed out, for the run's report. It is a
// convenience of one process: what it has forgotten, or another process has
// handed out, is missing from the report.
type handed struct {
	mu  sync.Mutex
	out map[handedKey]workspace.Workspace
}

type handedKey struct {
	path string
	run  workflow.Execution
}

// maxHanded is how many are remembered; each takes some hundred bytes.
const maxHanded = 4096

func (h *handed) add(run workflow.Execution, ws workspace.Workspace) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.out == nil || len(h.out) >= maxHanded {
		h.out = make(map[handedKey]workspace.Workspace)
	}
	h.out[handedKey{ws.Path, run}] = ws
}

func (h *handed) of(path string, run workflow.Execution) (workspace.Workspace, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ws, ok := h.out[handedKey{path, run}]
	return ws, ok
}
