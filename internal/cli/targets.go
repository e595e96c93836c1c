package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
)

func (a *app) targetsCommand() *cobra.Command {
	cmd := a.group("targets", "Put, list, inspect and remove what is analysed", "  cordon targets put ./project\n  cordon targets list")
	cmd.AddCommand(a.targetsPut(), a.targetsList(), a.targetsInspect(), a.targetsRemove())
	return cmd
}

// openStore opens the store for a short command: it logs warnings alone, unless
// LOG_LEVEL asks for more.
func (a *app) openStore(cfg config.Worker) (worker.Store, error) {
	return worker.OpenStore(cfg, a.logger(a.level(cfg, slog.LevelWarn), false))
}

func (a *app) targetsPut() *cobra.Command {
	var p places
	var id string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "put PATH", Short: "Upload a folder, a file or an archive; print its target id",
		Long: `Put packs a folder deterministically, or takes a file or an archive as it is, and
stores it under an id made of its content: the same project uploaded twice is one
target. What .cordonignore files list (in gitignore's syntax) is left out. What a
target rarely wants, such as node_modules, is packed too, with a warning; a line
"!node_modules/" in a .cordonignore says that it is wanted.`,
		Example: "  cordon targets put ./project\n  cordon targets put fuzzer.tar.gz --id fuzzer-7",
		Args:    exactly("PATH"),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			cfg, err := a.settings(p, dataHome)
			if err != nil {
				return err
			}
			var named cordon.TargetID
			if id != "" {
				if named, err = cordon.ParseTargetID(id); err != nil {
					return err
				}
			}
			store, err := a.openStore(cfg)
			if err != nil {
				return err
			}
			up, err := a.upload(cmd.Context(), store, args[0], named)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(up)
			}
			a.print("%s", up.ID)
			return nil
		}),
	}
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	cmd.Flags().StringVar(&id, "id", "", "store it under `ID` (default: made of the content)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// stored is a target as `cordon targets list --json` prints it.
type stored struct {
	ID       cordon.TargetID `json:"target_id"`
	Size     int64           `json:"bytes"`
	ETag     string          `json:"etag"`
	SHA256   string          `json:"sha256,omitempty"`
	Modified time.Time       `json:"modified"`
}

func (a *app) targetsList() *cobra.Command {
	var p places
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the targets in the store", Args: exactly(),
		Example: "  cordon targets list\n  cordon targets list --json --store /srv/store",
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.settings(p, dataHome)
			if err != nil {
				return err
			}
			store, err := a.openStore(cfg)
			if err != nil {
				return err
			}
			list := []stored{}
			for info, err := range store.List(cmd.Context()) {
				if cordon.KindOf(err) == cordon.TargetNotFound {
					break // nothing was ever put into this store
				}
				if err != nil {
					return err
				}
				list = append(list, stored{info.ID, info.Size, info.ETag, info.SHA256, info.Modified})
			}
			if asJSON {
				return a.printJSON(list)
			}
			if len(list) == 0 {
				a.say("the store is empty; 'cordon targets put PATH' uploads something")
				return nil
			}
			t := newTable("TARGET", "SIZE", "STORED")
			t.right[1] = true
			for _, s := range list {
				t.add(plain(s.ID.String()), bytesOf(s.Size), ago(s.Modified, a.now()))
			}
			a.printTable(t)
			return nil
		}),
	}
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) targetsRemove() *cobra.Command {
	var p places
	cmd := &cobra.Command{
		Use: "rm ID", Short: "Remove a target from the store", Args: exactly("ID"),
		Long: `Rm removes the stored object. A target that a run holds in this host's cache is
not removed. What the cache keeps of it goes as it gets old.`,
		Example: "  cordon targets rm fuzzer-7",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			cfg, err := a.settings(p, dataHome)
			if err != nil {
				return err
			}
			id, err := cordon.ParseTargetID(args[0])
			if err != nil {
				return err
			}
			store, err := a.openStore(cfg)
			if err != nil {
				return err
			}
			if err := a.checkUnheld(cfg, id); err != nil {
				return err
			}
			if err := store.Remove(cmd.Context(), id); err != nil {
				return err
			}
			a.say("removed %s", id)
			return nil
		}),
	}
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	p.addCache(cmd.Flags())
	return cmd
}

// checkUnheld fails with Busy where a run on this host holds the target.
func (a *app) checkUnheld(cfg config.Worker, id cordon.TargetID) error {
	if _, err := os.Stat(cfg.CacheDir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	cache, err := a.openCache(cfg, nil, a.logger(a.level(cfg, slog.LevelWarn), false))
	if err != nil {
		return err
	}
	defer cache.Close()
	entries, err := cache.Entries()
	if err != nil {
		return err
	}
	var runs []string
	for _, e := range entries {
		for _, h := range e.Holders {
			if e.Target == id && !slices.Contains(runs, h.Run) {
				runs = append(runs, h.Run)
			}
		}
	}
	if len(runs) == 0 {
		return nil
	}
	slices.Sort(runs)
	return &cordon.Error{
		Kind: cordon.Busy, Op: "remove target", Name: fmt.Sprintf("%q", id),
		Err: fmt.Errorf("held by %s: %s", count(len(runs), "run", "runs"), strings.Join(runs, ", ")),
		Fix: "wait for the run to end, or end its hold with 'cordon cleanup PATH --run RUN_ID' ('cordon cache ls' shows the path)",
	}
}
