package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cleanupCommand() *cobra.Command {
	var p places
	var run string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "cleanup PATH", Short: "End what a run has at a path", Args: exactly("PATH"),
		Long: `Cleanup removes a run's own workspace, or ends the run's hold on a shared one, which
stays for others. What happens depends on what the cache recorded about the path.
A path that the cache did not hand out is left alone, and that is no error.`,
		Example: "  cordon cleanup /cache/fuzzer-7/r1/workspace\n  cordon cleanup /cache/fuzzer-7/workspace --run r2",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			if run != "" {
				if _, err := cordon.ParseRunID(run); err != nil {
					return err
				}
			}
			path, err := fromHere(args[0])
			if err != nil {
				return err
			}
			cleaned := workspace.Cleaned{Outcome: workspace.Unknown, Path: path, Reason: fmt.Sprintf("there is no cache at %q", cfg.CacheDir)}
			if _, err := os.Stat(cfg.CacheDir); !errors.Is(err, os.ErrNotExist) {
				cache, err := a.openCache(cfg, nil, a.logger(a.level(cfg, slog.LevelError), false))
				if err != nil {
					return err
				}
				defer cache.Close()
				// What the engine warns of is the outcome, which is printed.
				if cleaned, err = cache.Cleanup(cmd.Context(), path, workspace.Caller{Run: run}); err != nil {
					return err
				}
			}
			if asJSON {
				return a.printJSON(cleaned)
			}
			a.say("%s: %s", cleaned.Outcome, plain(cleaned.Reason))
			return nil
		}),
	}
	cmd.Flags().StringVar(&run, "run", "", "the run whose hold on a shared path ends: its `ID`")
	p.addCache(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

// fromHere makes a path absolute and changes nothing else about it: one with ".."
// is for the cache to refuse.
func fromHere(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	return here + "/" + strings.TrimPrefix(path, "./"), nil
}
