package activities

import (
	"errors"
	"log/slog"

	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// resolved is what holds for one get_target.
type resolved struct {
	mode          cordon.Mode
	extract       metadata.Extract
	maxSize       cordon.Size // zero: the worker's own limit
	keepOnFailure bool
}

// resolve says which mode and what else holds for a run of the workflow type class whose memo
// says run, when the activity was called with arg (CONTRACT §2). Where they
// differ it warns.
func resolve(catalog *metadata.Catalog, log *slog.Logger, class string, run, arg cordon.Mode) resolved {
	holds := resolved{extract: metadata.ExtractAuto}
	var meta cordon.Mode
	if w, ok := lookup(catalog, log, class); ok {
		meta = w.Mode()
		holds.extract, holds.maxSize, holds.keepOnFailure = w.Extract, w.WorkspaceMaxSize, w.KeepOnFailure
	}
	var warning string
	holds.mode, warning = metadata.Resolve(run, meta, arg)
	if warning != "" {
		log.Warn(warning, "workflow_type", class)
	}
	return holds
}

// lookup returns the metadata of the workflow type class, if the worker knows it.
func lookup(catalog *metadata.Catalog, log *slog.Logger, class string) (metadata.Workflow, bool) {
	if catalog == nil || class == "" {
		return metadata.Workflow{}, false
	}
	w, err := catalog.Lookup(class)
	var unknown *metadata.UnknownWorkflowError
	if err != nil && !errors.As(err, &unknown) {
		log.Warn("cannot look the calling workflow's metadata up; it counts as having none", "workflow_type", class, "error", err)
	}
	return w, err == nil
}

// class is the type of the workflow that called; "" where there is none.
func class(info activity.Info) string {
	if info.WorkflowType == nil {
		return ""
	}
	return info.WorkflowType.Name
}
