package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheVerify() *cobra.Command {
	var opts workspace.VerifyOptions
	store := func(cfg config.Worker) (worker.Store, error) {
		if opts.Offline {
			return nil, nil
		}
		return a.openStore(cfg)
	}
	cmd := a.onCacheCommand("verify [KEY|TARGET…]", "Read entries again, and compare them with what was uploaded", "  cordon cache verify\n  cordon cache verify base-1f3a5c7e --offline", anyNumber, store,
		func(ctx context.Context, c onCache) error {
			var b *bar
			what := ""
			opts.Names = c.args
			opts.Progress = func(p workspace.VerifyProgress) {
				if now := fmt.Sprintf("%d of %d: %s %s", p.Entry, p.Of, p.Stage, shortKey(p.Key, keyDigits)); now != what {
					what, b = now, a.newBar(now, a.now)
				}
				b.update(p.Done, p.Total)
			}
			all, err := c.Verify(ctx, opts)
			a.redraw("")
			if err != nil && len(all) == 0 {
				return err
			}
			if c.asJSON {
				err = cmp.Or(err, a.printJSON(all))
			} else {
				a.printVerified(all)
			}
			if n := damaged(all, c.args); n > 0 && err == nil {
				err = &codeError{fmt.Errorf("%s damaged", count(n, "entry is", "entries are")), ExitFailure}
			}
			return err
		})
	cmd.Long = `Verify hashes kept objects, and compares shared trees, bases and what is in quarantine with the objects
that they were made of, byte by byte. Where an object is no longer kept, it is read from the object store, of the
same version. What is damaged is taken out of use: no new run gets it. A run's own tree is its own to change.

It may run beside workers, and evicts nothing. TARGET means all entries of that target; without arguments it
verifies everything. The exit code is 1 where anything is damaged, but for what is in quarantine already and
was not named by its key or path.`
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "do without the object store")
	return cmd
}

// damaged counts what is damaged. That something is in quarantine is no news, unless
// it was asked for.
func damaged(all []workspace.Verified, names []string) (n int) {
	for _, v := range all {
		known := v.Kind == workspace.KindQuarantine && (len(names) == 0 || slices.Contains(names, v.Target.String()))
		if v.Result == workspace.Damaged && !known {
			n++
		}
	}
	return n
}

// listedDifferences is how many differences of an entry people see; --json has more.
const listedDifferences = 10

func (a *app) printVerified(all []workspace.Verified) {
	if len(all) == 0 {
		a.say("the cache is empty")
		return
	}
	for _, v := range all {
		mark := map[workspace.VerifyResult]string{
			workspace.Sound: a.paintOut(green, "✓"), workspace.Damaged: a.paintOut(red, "✗"), workspace.Unverified: a.paintOut(yellow, "!"),
		}[v.Result]
		words := v.Reason
		if v.Result == workspace.Sound && v.Against != "" {
			words = join(words, "as the "+v.Against+" says")
		}
		if v.Result == workspace.Sound && v.Object != "" {
			words = join(words, "the object "+v.Object)
		}
		a.print("%s %-10s %s  %s: %s", mark, v.Result, shortKey(v.Key, keyDigits), plain(v.Path), plain(words))
		for i, d := range v.Differences {
			if i == listedDifferences {
				break
			}
			line := fmt.Sprintf("    %-9s %s", d.Kind, plain(d.Path))
			if d.Detail != "" {
				line += ": " + plain(d.Detail)
			}
			a.print("%s", line)
		}
		if more := int(v.DifferenceCount) - listedDifferences; more > 0 {
			a.print("    … and %s more", thousands(more))
		}
		if v.Action != "" {
			a.print("    → %s", plain(v.Action))
		}
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
