package cli

import "strings"

// printReproduced prints what an input did.
func (a *app) printReproduced(r reproduced) {
	if !r.Crashed {
		a.print("%s no crash in %s of %.16s", a.paintOut(green, "✓"), count(r.Tries, "run", "runs"), r.Input)
	} else {
		a.print("%s %s", a.paintOut(red, "✗"), a.paintOut(bold, plain(r.Report.Title)))
		if r.Same {
			a.print("%-9s %s, the same bug", "id", r.Signature)
		} else {
			a.print("%-9s %s, another bug than %s", "id", r.Signature, r.Bug)
		}
		for line := range strings.Lines(r.Report.Detail) {
			a.print("%-9s %s", "", plain(strings.TrimRight(line, "\n")))
		}
		a.printStack("stack", r.Report.Frames)
		a.printStack("other", r.Report.Other)
		if r.Workspace != "" && len(r.Command) > 0 { // without it the command's paths are gone
			a.print("%-9s %s", "command", plain(strings.Join(append(quoteAll(r.Env), quoteAll(r.Command)...), " ")))
		}
	}
	if r.Workspace != "" {
		a.print("%-9s %s", "workspace", plain(r.Workspace))
	}
}
