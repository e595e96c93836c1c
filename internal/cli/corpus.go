package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/worker"
)

func (a *app) corpusCommand() *cobra.Command {
	cmd := a.group("corpus", "List, fetch and add to the corpora that fuzzing has built up",
		"  cordon corpus list\n  cordon corpus get parser libfuzzer fuzz_xml ./inputs\n  cordon corpus put parser libfuzzer fuzz_xml ./seeds")
	cmd.AddCommand(a.corpusList(), a.corpusVersions(), a.corpusGet(), a.corpusPut())
	return cmd
}

// onCorpora is what a command that acts on corpora gets.
type onCorpora struct {
	store  worker.Store
	opts   corpus.Options
	args   []string
	asJSON bool
}

func (c onCorpora) open() *corpus.Corpus {
	return corpus.Open(c.store, corpus.Name{Lineage: c.args[0], Engine: c.args[1], Harness: c.args[2]}, c.opts)
}

// onCorporaCommand makes a command that acts on the corpora in the store.
func (a *app) onCorporaCommand(use, short, example string, args cobra.PositionalArgs, run func(ctx context.Context, c onCorpora) error) *cobra.Command {
	var p places
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args, Example: example,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			cfg, err := a.settings(p, dataHome)
			if err != nil {
				return err
			}
			store, err := a.openStore(cfg)
			if err != nil {
				return err
			}
			log := a.logger(a.level(cfg, slog.LevelWarn), false)
			return run(cmd.Context(), onCorpora{store, corpus.Options{Log: log, Now: a.now}, args, asJSON})
		}),
	}
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) corpusList() *cobra.Command {
	cmd := a.onCorporaCommand("list [LINEAGE]", "List the corpora in the store", "  cordon corpus list\n  cordon corpus list parser --json",
		func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s: unexpected argument %q", cmd.CommandPath(), args[1])
			}
			return nil
		},
		func(ctx context.Context, c onCorpora) error {
			lineage := ""
			if len(c.args) > 0 {
				lineage = c.args[0]
			}
			infos, err := corpus.List(ctx, c.store, lineage, c.opts)
			if err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(infos)
			}
			if len(infos) == 0 {
				a.say("the store has no corpus; a fuzzing workflow leaves one, and 'cordon corpus put' makes one")
				return nil
			}
			t := newTable("LINEAGE", "ENGINE", "HARNESS", "INPUTS", "SIZE", "VERSIONS", "LAST PUSH")
			t.right[3], t.right[4], t.right[5] = true, true, true
			for _, i := range infos {
				t.add(plain(i.Lineage), plain(i.Engine), plain(i.Harness), thousands(i.Inputs), bytesOf(i.Bytes), thousands(i.Versions), a.agoOrNever(i.LastPush))
			}
			a.printTable(t)
			return nil
		})
	cmd.Aliases = []string{"ls"}
	cmd.Long = `List shows what fuzzing campaigns have built up, by the lineage of their projects, the engine and the
harness. The number of inputs counts twice what two runs have found independently of each other.`
	return cmd
}

func (a *app) agoOrNever(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return ago(t, a.now())
}

func (a *app) corpusVersions() *cobra.Command {
	cmd := a.onCorporaCommand("versions LINEAGE ENGINE HARNESS", "List the versions of a corpus, the newest first", "  cordon corpus versions parser libfuzzer fuzz_xml",
		exactly("LINEAGE", "ENGINE", "HARNESS"),
		func(ctx context.Context, c onCorpora) error {
			versions, err := c.open().Versions(ctx)
			if err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(versions)
			}
			if len(versions) == 0 {
				a.say("it has none; a campaign stores one at its end")
				return nil
			}
			t := newTable("VERSION", "INPUTS", "SIZE", "STORED")
			t.right[1], t.right[2] = true, true
			for _, v := range versions {
				t.add(plain(v.Name), thousands(v.Inputs), bytesOf(v.Bytes), ago(v.Time, a.now()))
			}
			a.printTable(t)
			return nil
		})
	cmd.Long = `A version is what the minimisation at the end of a campaign has kept. The newest one, and what runs have
pushed since, is what the next run gets; the last five stay, so that 'cordon corpus get --version' can fetch an
earlier one and 'cordon corpus put --replace' make it the newest.`
	return cmd
}

func (a *app) corpusGet() *cobra.Command {
	var version string
	cmd := a.onCorporaCommand("get LINEAGE ENGINE HARNESS DIR", "Fetch the inputs of a corpus into a directory", "  cordon corpus get parser libfuzzer fuzz_xml ./inputs",
		exactly("LINEAGE", "ENGINE", "HARNESS", "DIR"),
		func(ctx context.Context, c onCorpora) error {
			_, before := os.Lstat(c.args[3])
			if err := os.MkdirAll(c.args[3], 0o755); err != nil {
				return directoryError("make directory", c.args[3], err)
			}
			root, err := os.OpenRoot(c.args[3])
			if err != nil {
				return directoryError("open directory", c.args[3], err)
			}
			defer root.Close()
			from := c.open()
			var report corpus.PullReport
			if version != "" {
				report, err = from.PullVersion(ctx, root, version)
			} else {
				report, err = from.Pull(ctx, root)
			}
			if err == nil && report.Packs == 0 && len(report.Skipped) == 0 {
				err = &cordon.Error{Kind: cordon.TargetNotFound, Op: "get corpus", Name: fmt.Sprintf("%q", from.Name().String()), Err: errors.New("the store has none of that name"), Fix: "'cordon corpus list' shows those that it has"}
				if errors.Is(before, os.ErrNotExist) {
					_ = os.Remove(c.args[3]) // it is empty, and nobody asked for that
				}
			}
			if err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(report)
			}
			a.print("%s, %s", count(report.Files, "input", "inputs"), bytesOf(report.Bytes))
			if report.Present > 0 {
				a.say("%s %s already there", count(report.Present, "input", "inputs"), were(report.Present))
			}
			if left := report.Dropped + report.Oversized; left > 0 {
				a.say("%s %s too large to be fetched", count(left, "input", "inputs"), were(left))
			}
			return nil
		})
	cmd.Long = `Get writes each input to a file of its own, named by the SHA-256 of its content; files that are there stay.
At most 200,000 inputs and 2 GB are fetched; of more, the largest are left out.`
	cmd.Flags().StringVar(&version, "version", "", "`VERSION` as 'cordon corpus versions' prints it, and nothing else (default: what the next run gets)")
	return cmd
}

func (a *app) corpusPut() *cobra.Command {
	var replace bool
	cmd := a.onCorporaCommand("put LINEAGE ENGINE HARNESS DIR", "Add the files of a directory to a corpus", "  cordon corpus put parser libfuzzer fuzz_xml ./seeds",
		exactly("LINEAGE", "ENGINE", "HARNESS", "DIR"),
		func(ctx context.Context, c onCorpora) error {
			for i, what := range []string{"LINEAGE", "ENGINE", "HARNESS"} {
				if c.args[i] == "" {
					return &cordon.Error{Kind: cordon.InvalidArgument, Op: "put corpus", Err: fmt.Errorf("%s is empty", what), Fix: "name the corpus"}
				}
			}
			root, err := os.OpenRoot(c.args[3])
			if err != nil {
				return directoryError("open directory", c.args[3], err)
			}
			defer root.Close()
			var done any
			var files, larger int
			var bytes int64
			if replace {
				report, rerr := c.open().Replace(ctx, root)
				done, files, bytes, larger, err = report, report.Files, report.Bytes, report.Oversized+report.LeftOut, rerr
			} else {
				report, perr := c.open().Push(ctx, root)
				done, files, bytes, larger, err = report, report.Files, report.Bytes, report.Oversized+report.LeftOut, perr
			}
			if err != nil {
				return rejected(err)
			}
			if c.asJSON {
				return a.printJSON(done)
			}
			a.print("%s, %s", count(files, "input", "inputs"), bytesOf(bytes))
			if larger > 0 {
				a.say("%s %s left out: an input may have 1 MiB, and a corpus 200,000 inputs and 2 GB", count(larger, "file", "files"), were(larger))
			}
			return nil
		})
	cmd.Long = `Put stores the files that lie in the directory itself, whatever their names, but for those whose names
begin with a dot. The next run of that lineage, engine and harness begins with them.`
	cmd.Flags().BoolVar(&replace, "replace", false, "store them as a new version, instead of everything that is there now")
	return cmd
}

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// directoryError says what is wrong with a directory that somebody has named.
func directoryError(op, dir string, err error) error {
	code := ExitFailure
	if errors.Is(err, os.ErrNotExist) {
		code = ExitNotFound
	}
	var cause error = err
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		cause = path.Err
	}
	return &codeError{&cordon.Error{Op: op, Name: fmt.Sprintf("%q", dir), Err: cause, Fix: "name a directory that you may use"}, code}
}
