package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) getCommand() *cobra.Command {
	var p places
	var run, isolation string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "get TARGET_ID --run RUN_ID", Short: "Make a workspace of a target, print its path", Args: exactly("TARGET_ID"),
		Long: `Get makes the workspace of a run, without Temporal, and prints its path and nothing
else. The same run asking again gets the same path. The run's hold lasts until
'cordon cleanup PATH --run RUN_ID', or until it expires.`,
		Example: `  dir=$(cordon get sha256-… --run nightly-7)
  cordon get fuzzer-7 --run r1 --isolation copy-on-write --store /srv/store --cache-dir /cache`,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			req := workspace.Request{}
			var err error
			if req.Target, err = cordon.ParseTargetID(args[0]); err != nil {
				return err
			}
			if req.Run, err = cordon.ParseRunID(run); err != nil {
				return err
			}
			if req.Mode, err = cordon.ParseMode(isolation); err != nil {
				return err
			}
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			store, err := a.openStore(cfg)
			if err != nil {
				return err
			}
			cache, err := a.openCache(cfg, store, a.logger(a.level(cfg, slog.LevelWarn), false))
			if err != nil {
				return err
			}
			defer cache.Close()
			ws, err := cache.Get(cmd.Context(), a.showProgress(req))
			a.redraw("")
			if err != nil {
				return err
			}
			for _, note := range ws.Notes {
				a.say("%s %s", a.paintErr(yellow, "!"), plainLines(note))
			}
			if ws.Stale {
				a.say("%s the store could not be asked whether this is its newest version", a.paintErr(yellow, "!"))
			}
			if asJSON {
				return a.printJSON(ws)
			}
			a.print("%s", ws.Path)
			return nil
		}),
	}
	cmd.Flags().StringVar(&run, "run", "", "the run whose workspace it is: any `ID` of yours")
	cmd.Flags().StringVar(&isolation, "isolation", "", "`MODE`: isolated (default), shared or copy-on-write")
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	must(cmd.MarkFlagRequired("run"))
	return cmd
}

// must panics on an error that only a defect of the program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
