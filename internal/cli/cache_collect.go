package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheCollect() *cobra.Command {
	var opts workspace.SweepOptions
	var keep string
	var cmd *cobra.Command
	cmd = a.onCacheCommand("gc", "Remove what has no reason to stay", "  cordon cache gc --dry-run\n  cordon cache gc --plan 1f3a5c7e9b0d\n  cordon cache gc --keep 2GB", exactly(), nil,
		func(ctx context.Context, c onCache) error {
			for name, value := range map[string]string{"plan": opts.Plan, "keep": keep} {
				// As a script's unset variable leaves it. Without the flag everything goes that may.
				if cmd.Flags().Changed(name) && strings.TrimSpace(value) == "" {
					return &usageError{fmt.Errorf("--%s is empty", name), "cordon cache gc"}
				}
			}
			if opts.Plan != "" && (opts.DryRun || keep != "") {
				return &usageError{errors.New("--plan says itself what goes; give it alone"), "cordon cache gc"}
			}
			if err := keeping(c, keep, &opts); err != nil {
				return err
			}
			report, err := c.Sweep(ctx, opts)
			if err != nil {
				return err
			}
			if c.asJSON {
				// A list that is empty is a list.
				report.Removals, report.Deferred = append([]workspace.Removal{}, report.Removals...), append([]workspace.Removal{}, report.Deferred...)
				err = a.printJSON(report)
			} else {
				a.printSweep(report, opts)
			}
			if err == nil && report.Busy {
				err = &codeError{errors.New("another process is sweeping this cache; nothing was done"), ExitBusy}
			}
			return err
		})
	cmd.Long = `Gc does at once what workers do every half hour: it removes entries past their time
to live, runs' directories whose holds have expired and what crashes left, and
evicts down to CACHE_MAX_SIZE. It never touches what somebody holds or has pinned.

With --dry-run it says what would go, and writes down a plan. --plan carries that out: what it
lists goes, unless somebody needs it by then, and nothing else. A plan is good for a day.`
	addTemporal(cmd.Flags(), &a.temporal)
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "say what would go and write down a plan, remove nothing")
	cmd.Flags().StringVar(&opts.Plan, "plan", "", "remove what a dry run planned: its `ID`")
	cmd.Flags().StringVar(&keep, "keep", "", "evict what nobody holds until no more than `SIZE` is left (0, 500MB, 2GB …)")
	return cmd
}

// keeping puts what --keep says into opts.
func keeping(c onCache, keep string, opts *workspace.SweepOptions) error {
	if keep == "" {
		return nil
	}
	opts.Shrink = true
	if strings.TrimSpace(keep) == "0" {
		return nil
	}
	size, err := cordon.ParseSize(keep)
	if err != nil {
		return &usageError{fmt.Errorf("--keep: %w, or 0", err), "cordon cache gc"}
	}
	usage, err := c.Usage()
	if err != nil {
		return err
	}
	opts.KeepBytes = size.Of(usage.DiskTotal)
	return nil
}

func (a *app) printSweep(report workspace.SweepReport, opts workspace.SweepOptions) {
	if report.Busy {
		return
	}
	if len(report.Removals)+len(report.Deferred) > 0 {
		t := newTable("WHAT", "ENTRY", "TARGET", "SIZE", "WHY", "PATH")
		t.right[3] = true
		did := "removed"
		if opts.DryRun {
			did = "would go"
		}
		row := func(did string, r workspace.Removal) {
			key := "–"
			if r.Key != "" {
				key = shortKey(r.Key, keyDigits)
			}
			t.add(did, plain(key), cmp.Or(brief(plain(r.Target.String()), idWidth), "–"), bytesOf(r.Bytes), plain(r.Reason), plain(r.Path))
		}
		for _, r := range report.Removals {
			row(did, r)
		}
		for _, r := range report.Deferred {
			did := "stays"
			if r.Reason == workspace.GoneSince {
				did = "gone"
			}
			row(did, r)
		}
		a.printTable(t)
	}
	verb := "freed"
	if opts.DryRun {
		verb = "would free"
	}
	a.say("%s %s in %s", verb, bytesOf(report.Freed), count(len(report.Removals), "removal", "removals"))
	if opts.DryRun && report.Plan != "" {
		a.say("plan %s: 'cordon cache gc --plan %s' removes exactly this, until tomorrow", report.Plan, report.Plan)
	}
}
