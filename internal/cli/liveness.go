package cli

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/workspace"
)

// liveness asks the Temporal that flags, environment and profile name which runs
// are over. It dials when the cache has a question and no earlier, and a server
// that cannot be reached is a warning: what runs hold stays then. The
// connection ends with the process.
func (a *app) liveness(log *slog.Logger) workspace.Runs {
	return liveness.New(func(ctx context.Context) (client.Client, error) {
		opts, _, err := config.TemporalOptions(a.temporal, a.environ)
		if err != nil {
			return nil, err
		}
		c, err := connect(ctx, opts)
		if err != nil && err == context.Cause(ctx) {
			err = temporalFailure(opts, err)
		}
		return c, err
	}, log)
}
