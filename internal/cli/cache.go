package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := a.group("cache", "Look into the cache, and clean it", "  cordon cache ls\n  cordon cache du\n  cordon cache gc --dry-run")
	cmd.AddCommand(a.cacheList(), a.cacheDiskUsage(), a.cacheCollect())
	return cmd
}

// onCache makes a command that acts on an existing cache.
func (a *app) onCache(use, short, example string, run func(ctx context.Context, c *workspace.Cache, asJSON bool) error) *cobra.Command {
	var p places
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: exactly(), Example: example,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			cache, err := a.existingCache(cfg, a.logger(a.level(cfg, slog.LevelWarn), false))
			if err != nil {
				return err
			}
			defer cache.Close()
			return run(cmd.Context(), cache, asJSON)
		}),
	}
	p.addCache(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) cacheList() *cobra.Command {
	return a.onCache("ls", "List what is in the cache", "  cordon cache ls --data ~/.cache/cordon",
		func(_ context.Context, c *workspace.Cache, asJSON bool) error {
			entries, err := c.Entries()
			if err != nil {
				return err
			}
			if asJSON {
				if entries == nil {
					entries = []workspace.Entry{}
				}
				return a.printJSON(entries)
			}
			if len(entries) == 0 {
				a.say("the cache at %s is empty", plain(c.Dir()))
				return nil
			}
			now := a.now()
			t := newTable("KIND", "MADE BY", "SIZE", "USED", "EXPIRES", "HELD BY", "PATH")
			t.right[2] = true
			for _, e := range entries {
				t.add(kindOf(e), madeBy(e), bytesOf(e.Bytes), ago(e.LastUsed, now), until(e.Expires, now), holders(e.Holders), plain(e.Path))
			}
			a.printTable(t)
			return nil
		})
}

// kindOf renders what an entry is, and whether somebody changed it.
func kindOf(e workspace.Entry) string {
	if e.Tampered != "" && e.Kind != workspace.KindQuarantine {
		return string(e.Kind) + " (tampered with)"
	}
	return string(e.Kind)
}

// madeBy renders how a run's workspace was made: by which driver, or by
// extracting what was downloaded.
func madeBy(e workspace.Entry) string {
	switch {
	case e.Kind != workspace.KindRun:
		return ""
	case e.Driver == "":
		return "extraction"
	}
	return e.Driver
}

// holders renders who holds an entry: the one run, or how many there are.
func holders(hs []workspace.Holder) string {
	switch len(hs) {
	case 0:
		return "nobody"
	case 1:
		if hs[0].Live {
			return plain(hs[0].Run) + " (live)"
		}
		return plain(hs[0].Run)
	}
	return count(len(hs), "run", "runs")
}

func (a *app) cacheDiskUsage() *cobra.Command {
	return a.onCache("du", "Compare what the cache recorded with what is on disk", "  cordon cache du --json",
		func(ctx context.Context, c *workspace.Cache, asJSON bool) error {
			usage, err := c.Usage()
			if err != nil {
				return err
			}
			if usage.OnDisk, err = c.DiskUsage(ctx); err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(usage)
			}
			t := newTable("WHAT", "SIZE", "")
			t.right[1] = true
			for _, kind := range []workspace.Kind{workspace.KindRun, workspace.KindShared, workspace.KindBase, workspace.KindQuarantine} {
				t.add(string(kind), bytesOf(usage.ByKind[kind]), count(usage.Entries[kind], "entry", "entries"))
			}
			t.add("recorded", bytesOf(usage.Recorded), "of at most "+bytesOf(usage.MaxSize))
			t.add("reserved", bytesOf(usage.Reserved), "promised to work under way")
			t.add("on disk", bytesOf(usage.OnDisk), "as du -s counts")
			t.add("unexplained", bytesOf(usage.OnDisk-usage.Recorded), fmt.Sprintf("the cache's own files, work under way, trash (%d), growth by runs", usage.Trash))
			t.add("disk free", bytesOf(usage.DiskFree), "of "+bytesOf(usage.DiskTotal))
			a.printTable(t)
			return nil
		})
}

func (a *app) cacheCollect() *cobra.Command {
	var dryRun bool
	var keep string
	cmd := a.onCache("gc", "Remove what has no reason to stay", "  cordon cache gc --dry-run\n  cordon cache gc --keep 2GB",
		func(ctx context.Context, c *workspace.Cache, asJSON bool) error {
			opts := workspace.SweepOptions{DryRun: dryRun}
			if keep != "" {
				opts.Shrink = true
				if strings.TrimSpace(keep) != "0" {
					size, err := cordon.ParseSize(keep)
					if err != nil {
						return &usageError{fmt.Errorf("--keep: %w, or 0", err), "cordon cache gc"}
					}
					usage, err := c.Usage()
					if err != nil {
						return err
					}
					opts.KeepBytes = size.Of(usage.DiskTotal)
				}
			}
			report, err := c.Sweep(ctx, opts)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(report)
			}
			a.printSweep(report, dryRun)
			return nil
		})
	cmd.Long = `Gc does at once what workers do every half hour: it removes entries past their time
to live, runs' directories whose holds have expired and what crashes left, and
evicts down to CACHE_MAX_SIZE. It never touches what somebody holds.`
	addTemporal(cmd.Flags(), &a.temporal)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would go, touch nothing")
	cmd.Flags().StringVar(&keep, "keep", "", "evict what nobody holds until no more than `SIZE` is left (0, 500MB, 2GB …)")
	return cmd
}

func (a *app) printSweep(report workspace.SweepReport, dryRun bool) {
	if report.Busy {
		a.say("another process is sweeping this cache; nothing was done")
		return
	}
	if len(report.Removals)+len(report.Deferred) > 0 {
		t := newTable("WHAT", "SIZE", "WHY", "PATH")
		t.right[1] = true
		did := "removed"
		if dryRun {
			did = "would go"
		}
		for _, r := range report.Removals {
			t.add(did, bytesOf(r.Bytes), plain(r.Reason), plain(r.Path))
		}
		for _, r := range report.Deferred {
			t.add("stays", bytesOf(r.Bytes), plain(r.Reason), plain(r.Path))
		}
		a.printTable(t)
	}
	verb := "freed"
	if dryRun {
		verb = "would free"
	}
	a.say("%s %s in %s", verb, bytesOf(report.Freed), count(len(report.Removals), "entry", "entries"))
}
