package worker

import (
	"log/slog"
	"os"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/fuzz/engines"
	"github.com/cordonlabs/cordon/internal/config"
)

// newFuzzing returns the fuzzers, and where what they find is kept.
func newFuzzing(cfg config.Worker, store Store, log *slog.Logger) *activities.Fuzzing {
	return &activities.Fuzzing{
		Engines:  engines.All(engines.Options{Python: cfg.Python}),
		Store:    activities.NewFuzzStore(store, log),
		BuildEnv: activities.BuildEnv(os.Environ()),
	}
}
