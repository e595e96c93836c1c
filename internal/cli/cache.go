package cli

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := a.group("cache", "Look into the cache, and clean it", "  cordon cache ls\n  cordon cache du\n  cordon cache gc --dry-run\n  cordon cache explain fuzzer-7")
	cmd.AddCommand(a.cacheList(), a.cacheDiskUsage(), a.cacheCollect(), a.cachePin(), a.cacheUnpin(), a.cacheExplain(), a.cacheVerify())
	return cmd
}

// onCache is what a command that acts on an existing cache gets.
type onCache struct {
	*workspace.Cache
	args   []string
	asJSON bool
}

// storeFor opens the object store that a command on the cache needs, or returns
// nil where it needs none.
type storeFor func(config.Worker) (worker.Store, error)

// onCacheCommand makes a command that acts on an existing cache, beside its
// workers. store may be nil.
func (a *app) onCacheCommand(use, short, example string, args cobra.PositionalArgs, store storeFor, run func(ctx context.Context, c onCache) error) *cobra.Command {
	var p places
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args, Example: example,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			if cmd.Flags().Lookup("address") != nil { // it asks Temporal: a server may be away, but not misnamed
				if _, _, err := config.TemporalOptions(a.temporal, a.environ); err != nil {
					return err
				}
			}
			var from worker.Store
			if store != nil {
				if from, err = store(cfg); err != nil {
					return err
				}
			}
			cache, err := a.existingCache(cfg, from, a.logger(a.level(cfg, slog.LevelWarn), false))
			if err != nil {
				return err
			}
			defer cache.Close()
			for i := range args {
				if args[i], err = entryName(args[i]); err != nil {
					return err
				}
			}
			return run(cmd.Context(), onCache{cache, args, asJSON})
		}),
	}
	p.addCache(cmd.Flags())
	p.addData(cmd.Flags())
	if store != nil {
		p.addStore(cmd.Flags())
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// entryName makes a path of what is one: a name with a slash, which no key and no
// target id has.
func entryName(arg string) (string, error) {
	if !strings.Contains(arg, "/") {
		return arg, nil
	}
	path, err := fromHere(arg)
	return filepath.Clean(path), err
}

// anyNumber takes as many arguments as there are.
func anyNumber(*cobra.Command, []string) error { return nil }

// keyDigits is how many digits of a key people see, if they tell it from all others.
const keyDigits = 8

// shortKeys returns for each entry the beginning of its key that the other entries
// do not share.
func shortKeys(entries []workspace.Entry) map[string]string {
	all := map[string]bool{}
	for _, e := range entries {
		all[e.Key] = true
	}
	short := map[string]string{}
	for n := keyDigits; len(short) < len(all); n++ {
		seen := map[string]int{}
		for key := range all {
			seen[shortKey(key, n)]++
		}
		for key := range all {
			if _, ok := short[key]; !ok && (seen[shortKey(key, n)] == 1 || n > len(key)) {
				short[key] = shortKey(key, n)
			}
		}
	}
	return short
}

func shortKey(key string, digits int) string {
	kind, rest, _ := strings.Cut(key, "-")
	return kind + "-" + rest[:min(digits, len(rest))]
}

// brief keeps the beginning of an id within width columns.
func brief(id string, width int) string {
	runes := []rune(id)
	if len(runes) <= width {
		return id
	}
	return string(runes[:width-1]) + "…"
}
