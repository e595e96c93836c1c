package cli

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	var p places
	var temporal config.TemporalFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check whether this machine gives workers what they need, and say what to do", Args: exactly(),
		Long: `Doctor looks at what a worker with this environment and these flags would use: the cache
(CACHE_DIR, CACHE_MAX_SIZE) and its file system, the drivers of copy-on-write workspaces
(CACHE_COW_DRIVER), mounts, locks, the clock, Temporal, the object store and the tools. It tries what
it can by doing it, leaves nothing behind, and may be run beside workers.

A line begins with ✓ where all is well, with ! where something is missing that this
configuration can do without, and with ✗ where something will not work; then the exit code is 1.`,
		Example: `  cordon doctor
  cordon doctor --data ~/.cache/cordon        # what 'cordon run' and 'cordon dev' use
  CACHE_COW_DRIVER=overlay! cordon doctor     # will views be mounted?
  cordon doctor --json | jq -r '.checks[] | select(.status == "fail") | .fix'`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			env := doctor.Env{Config: cfg, Version: a.version.Version, Getenv: a.getenv, Now: a.now, Logger: a.logger(a.level(cfg, slog.LevelWarn), false)}
			if env.Temporal, env.TemporalNamed, err = config.TemporalOptions(temporal, a.environ); err != nil {
				return err
			}
			a.redraw("looking around …")
			report, err := doctor.Run(cmd.Context(), env)
			a.redraw("")
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(report)
			} else {
				a.printReport(report)
			}
			if failed := report.Failed(); err == nil && len(failed) > 0 {
				err = &codeError{fmt.Errorf("%s of %d failed: %s", count(len(failed), "check", "checks"), len(report.Checks), strings.Join(failed, ", ")), ExitFailure}
			}
			return err
		}),
	}
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	addTemporal(cmd.Flags(), &temporal)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// marks are what a line begins with, and its colour.
var marks = map[doctor.Status]struct{ mark, colour string }{
	doctor.OK: {"✓", green}, doctor.Warn: {"!", yellow}, doctor.Fail: {"✗", red},
}

// printReport prints one line for each check, whatever a server or a file name
// has put into it.
func (a *app) printReport(report doctor.Report) {
	width := 0
	for _, c := range report.Checks {
		width = max(width, len(c.Name))
	}
	for _, c := range report.Checks {
		m := marks[c.Status]
		line := fmt.Sprintf("%s %-*s  %s", a.paintOut(m.colour, m.mark), width, c.Name, plain(c.Found))
		if c.Fix != "" {
			line += "; " + a.paintOut(bold, plain(c.Fix))
		}
		a.print("%s", line)
	}
}
