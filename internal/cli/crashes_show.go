package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/crash"
)

func (a *app) crashesShow() *cobra.Command {
	var p places
	var lineage string
	var withLog, asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a bug: its stack, its inputs, how to see it crash", Args: exactly("ID"),
		Long: `Show takes the beginning of a bug's id, or of the SHA-256 of one of its inputs, which is the one
that is shown then; of a bug it is the best one: that crashes each time, and is small.`,
		Example: "  cordon crashes show 3f2a\n  cordon crashes show 3f2a --log",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			_, _, crashes, err := a.openCrashes(p)
			if err != nil {
				return err
			}
			b, in, err := crashes.Get(cmd.Context(), args[0], lineage)
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(b)
			}
			a.printCrash(b, in)
			if withLog {
				a.print("")
				for line := range strings.Lines(in.Log) {
					a.print("%s", plain(strings.TrimRight(line, "\n")))
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&lineage, "lineage", "", "the bug is of this `PROJECT`")
	cmd.Flags().BoolVar(&withLog, "log", false, "print what the fuzzer said, too")
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

// maxInputsShown is how many inputs of a bug people are shown: the best ones.
const maxInputsShown = 10

func (a *app) printCrash(b crash.Bug, in crash.Input) {
	row := func(name, format string, args ...any) {
		a.print("%s %s", a.paintOut(dim, fmt.Sprintf("%-9s", name)), fmt.Sprintf(format, args...))
	}
	a.print("%s", a.paintOut(bold, plain(b.Report.Title)))
	row("id", "%s", b.Signature)
	row("severity", "%s", a.paintOut(severityColours[b.Report.Severity], string(b.Report.Severity)))
	row("lineage", "%s", plain(b.Lineage))
	row("harness", "%s", crashPlace(crash.Frame{Func: in.Harness.Name, File: in.Harness.File, Line: in.Harness.Line}))
	row("seen", "first %s, last %s; %s of it kept", ago(b.FirstSeen, a.now()), ago(b.LastSeen, a.now()), count(b.Count, "input", "inputs"))
	for line := range strings.Lines(b.Report.Detail) {
		row("", "%s", plain(strings.TrimRight(line, "\n")))
	}
	a.printStack("stack", b.Report.Frames)
	a.printStack("other", b.Report.Other)
	from := ""
	if in.MinimisedFrom != "" {
		from = fmt.Sprintf("; a smaller form of %.16s", plain(in.MinimisedFrom))
	}
	row("input", "%s, %s; %s%s", in.SHA256, bytesOf(in.Size), a.stability(in), from)
	row("target", "%s", plain(in.Target.String()))
	row("engine", "%s", plain(strings.TrimSpace(in.Engine+" "+in.EngineVersion+" "+in.Sanitizer)))
	if in.Run != "" {
		row("run", "%s", plain(strings.TrimSpace(in.Workflow+" "+in.Run)))
	}
	if len(in.Command) > 0 {
		row("command", "%s", plain(strings.Join(append(quoteAll(in.Env), quoteAll(in.Command)...), " ")))
	}
	shown := 1
	for _, other := range b.Inputs {
		if other.SHA256 == in.SHA256 {
			continue
		}
		if shown++; shown > maxInputsShown {
			row("", "… and %s more; --json has all", thousands(b.Count-shown+1))
			break
		}
		row("input", "%s, %s; %s", other.SHA256, bytesOf(other.Size), a.stability(other))
	}
}

// printStack prints a stack, without the frames that say nothing about the bug.
func (a *app) printStack(name string, frames []crash.Frame) {
	for _, f := range frames {
		if f.Runtime {
			continue
		}
		a.print("%s %s", a.paintOut(dim, fmt.Sprintf("%-9s", name)), crashPlace(f))
		name = ""
	}
}

// quoteAll makes words that a shell takes as they are. $WORKSPACE stays a variable.
func quoteAll(words []string) (out []string) {
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\`;&|<>()*?[]{}!#~") {
			if rest, ok := strings.CutPrefix(w, "$WORKSPACE/"); ok {
				w = `"$WORKSPACE"/'` + strings.ReplaceAll(rest, "'", `'\''`) + "'"
			} else {
				w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
			}
		}
		out = append(out, w)
	}
	return out
}
