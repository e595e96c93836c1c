package activities

import (
	"errors"
	"log/slog"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// resolved is what holds for one get_target.
type resolved struct {
	mode    cordon.Mode
	extract metadata.Extract
}

// resolve says which mode holds for a run of the workflow type class whose memo
// says run, when the activity was called with arg (CONTRACT §2). Where they
// differ it warns.
func resolve(catalog *metadata.Catalog, log *slog.Logger, class string, run, arg cordon.Mode) resolved {
	var (
		meta    cordon.Mode
		extract = metadata.ExtractAuto
	)
	if catalog != nil && class != "" {
		w, err := catalog.Lookup(class)
		var unknown *metadata.UnknownWorkflowError
		switch {
		case err == nil:
			meta, extract = w.Mode(), w.Extract
		case !errors.As(err, &unknown):
			log.Warn("cannot look the calling workflow's metadata up; the argument holds", "workflow_type", class, "error", err)
		}
	}
	mode, warning := metadata.Resolve(run, meta, arg)
	if warning != "" {
		log.Warn(warning, "workflow_type", class)
	}
	return resolved{mode, extract}
}
