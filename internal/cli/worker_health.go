package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/health"
)

func (a *app) workerHealthCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "health", Short: "Ask whether the worker that writes a health file is well", Args: exactly(),
		Long: `Health asks whether a worker polls, whether its Temporal answers and whether its cache can be
written. The worker looks every 10 seconds and says so in a file, which it is started with; one that
has said nothing for 45 seconds is not well. The exit code is 1 where something is wrong.`,
		Example: `  WORKER_HEALTH_FILE=/run/cordon/health.json cordon worker --vertical python
  cordon worker health --health-file /run/cordon/health.json`,
		RunE: does(func(*cobra.Command, []string) error {
			if path == "" {
				path = a.getenv("WORKER_HEALTH_FILE")
			}
			if path == "" {
				return &cordon.Error{Kind: cordon.InvalidArgument, Op: "ask for the health of a worker", Err: fmt.Errorf("no file was named"), Fix: "set WORKER_HEALTH_FILE or --health-file"}
			}
			r, err := health.Read(path, a.now())
			if asJSON {
				if perr := a.printJSON(r); perr != nil {
					return perr
				}
			}
			if err != nil {
				return &codeError{err, ExitFailure}
			}
			if !asJSON {
				a.print("%s", plain(r.Summary()))
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&path, "health-file", "", "`FILE` that the worker writes (default: WORKER_HEALTH_FILE)")
	jsonFlag(cmd, &asJSON)
	return cmd
}
