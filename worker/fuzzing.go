package worker

import (
	"log/slog"
	"os"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/fuzz/engines"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker/metrics"
)

// newFuzzing returns the fuzzers, and where what they find is kept.
func newFuzzing(cfg config.Worker, store Store, m *metrics.Metrics, log *slog.Logger) *activities.Fuzzing {
	f := &activities.Fuzzing{
		Engines:  engines.All(engines.Options{Python: cfg.Python}),
		Store:    activities.NewFuzzStore(store, log),
		BuildEnv: activities.BuildEnv(os.Environ()),
	}
	if m != nil {
		f.Observe = m.Fuzzer
		for _, e := range f.Engines {
			m.FuzzEngine(e.Name())
		}
	}
	return f
}
