package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
)

func (a *app) crashesCommand() *cobra.Command {
	cmd := a.group("crashes", "List, show and reproduce what fuzzers found", "  cordon crashes list\n  cordon crashes repro 3f2a")
	cmd.AddCommand(a.crashesList(), a.crashesShow(), a.crashesGet(), a.crashesRepro())
	return cmd
}

// openCrashes opens the store, and what it keeps of crashes.
func (a *app) openCrashes(p places) (config.Worker, worker.Store, *crash.Store, error) {
	cfg, err := a.settings(p, dataHome)
	if err != nil {
		return cfg, nil, nil, err
	}
	store, err := a.openStore(cfg)
	if err != nil {
		return cfg, nil, nil, err
	}
	return cfg, store, crash.NewStore(store, a.logger(a.level(cfg, slog.LevelWarn), false)), nil
}

func (a *app) crashesList() *cobra.Command {
	var p places
	var f crash.Filter
	var sarif string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the bugs that fuzzers found, the worst first", Args: exactly(),
		Long: `List shows one line for each bug: inputs that crash in the same way, as far as the kind of
crash and the functions on top of the stack tell. INPUTS is how many are kept of how
many different ones crashed at least. The id is what show, get and repro take.`,
		Example: "  cordon crashes list\n  cordon crashes list --harness decode --sarif crashes.sarif",
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			_, _, crashes, err := a.openCrashes(p)
			if err != nil {
				return err
			}
			bugs, err := crashes.List(cmd.Context(), f)
			if err != nil {
				return err
			}
			if sarif != "" {
				if err := a.crashSARIF(sarif, bugs); err != nil {
					return err
				}
			}
			if asJSON {
				for i := range bugs {
					for j := range bugs[i].Inputs {
						bugs[i].Inputs[j].Log = "" // show has it: here it would be most of the output
					}
				}
				return a.printJSON(bugs)
			}
			if len(bugs) == 0 {
				a.say("no crash is known")
				return nil
			}
			a.printTable(a.crashTable(bugs))
			return nil
		}),
	}
	cmd.Flags().StringVar(&f.Lineage, "lineage", "", "of this `PROJECT` alone, over all versions of its target")
	cmd.Flags().StringVar(&f.Target, "target", "", "found in the target of this `ID` alone")
	cmd.Flags().StringVar(&f.Harness, "harness", "", "of the harness of this `NAME` alone")
	cmd.Flags().StringVar(&f.Engine, "engine", "", "found by this `ENGINE` alone: libfuzzer, atheris, cargo-fuzz, afl++ or go")
	cmd.Flags().StringVar(&f.Run, "run", "", "found by the run of this `ID` alone")
	cmd.Flags().StringVar(&sarif, "sarif", "", "write them to `FILE`, too, as SARIF 2.1.0")
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

// crashTable makes a table of bugs. Their ids are as short as tells them apart.
func (a *app) crashTable(bugs []crash.Bug) *table {
	t := newTable("ID", "SEVERITY", "TYPE", "WHERE", "HARNESS", "INPUTS", "REPRODUCES", "FIRST SEEN", "LAST SEEN")
	t.right[5] = true
	digits := crashDigits(bugs)
	for _, b := range bugs {
		t.add(
			b.Signature[:digits], a.paintOut(severityColours[b.Report.Severity], string(b.Report.Severity)), plain(b.Report.Type),
			crashPlace(b.Report.Where()), plain(brief(b.Harness, idWidth)), kept(b), a.stability(b.Best()), ago(b.FirstSeen, a.now()), ago(b.LastSeen, a.now()),
		)
	}
	return t
}

// crashDigits is how many digits of their ids tell bugs apart; people type them.
func crashDigits(bugs []crash.Bug) int {
	for n := 6; n < crash.SignatureLen; n++ {
		seen := map[string]bool{}
		for _, b := range bugs {
			seen[b.Signature[:n]] = true
		}
		if len(seen) == len(bugs) {
			return n
		}
	}
	return crash.SignatureLen
}

// crashPlace renders a frame: "take src/parse.cc:13".
func crashPlace(f crash.Frame) string {
	name, place := f.Func, f.File
	if name == "" {
		name = f.Module
	}
	if place != "" && f.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Line)
	}
	if s := strings.TrimSpace(name + " " + place); s != "" {
		return plain(s)
	}
	return "–"
}

// kept renders how many inputs of a bug are kept, of how many at least.
func kept(b crash.Bug) string {
	if b.Crashes > int64(b.Count) {
		return fmt.Sprintf("%s of %s+", thousands(b.Count), thousands(int(b.Crashes)))
	}
	return thousands(b.Count)
}

// stability renders whether an input crashes each time.
func (a *app) stability(in crash.Input) string {
	switch in.Stability {
	case crash.Stable:
		return a.paintOut(green, fmt.Sprintf("stable %d/%d", in.Reproduced, in.Tried))
	case crash.Flaky:
		return a.paintOut(yellow, fmt.Sprintf("flaky %d/%d", in.Reproduced, in.Tried))
	case crash.NotReproduced:
		return a.paintOut(yellow, fmt.Sprintf("no %d/%d", in.Reproduced, in.Tried))
	}
	return a.paintOut(dim, "untested")
}

// crashSARIF writes bugs to the file of that name as SARIF.
func (a *app) crashSARIF(name string, bugs []crash.Bug) error {
	fs := make([]finding.Finding, 0, len(bugs))
	for _, b := range bugs {
		fs = append(fs, b.Finding())
	}
	finding.Sort(fs)
	var text bytes.Buffer
	if err := finding.WriteSARIF(&text, finding.SARIFRun{Version: a.version.Version, Findings: fs, Summary: finding.NewSummary(fs, 0)}); err != nil {
		return err
	}
	return writeSARIF(name, text.Bytes())
}
