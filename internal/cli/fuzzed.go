package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/sandbox"
)

// printFuzzed shows what fuzzers did, harness by harness.
func (a *app) printFuzzed(s activities.Summary) {
	if len(s.Fuzzing) == 0 {
		return
	}
	a.print("")
	t := newTable("HARNESS", "ENGINE", "TIME", "EXECUTIONS", "PER SECOND", "COVERAGE", "CORPUS", "BUGS", "STOPPED")
	for _, o := range s.Fuzzing {
		corpus := thousands(int(o.Stats.Corpus))
		if o.Pulled > 0 || o.Pushed > 0 {
			corpus += fmt.Sprintf(" (%s known, %s new)", thousands(o.Pulled), thousands(o.Pushed))
		}
		stopped := plain(o.Stopped)
		if o.Plateau {
			stopped += ", plateau"
		}
		t.add(plain(o.Harness.Name), plain(o.Engine), short(time.Duration(o.Elapsed)), thousands(int(o.Stats.Executions)),
			thousands(int(o.Stats.PerSecond)), thousands(int(o.Stats.Coverage)), corpus, thousands(len(o.Bugs)), stopped)
	}
	a.printTable(t)
}

// maxHinted is how many crashes are pointed to.
const maxHinted = 5

// hintCrashes says how the crashes are looked at, and what they are worth.
func (a *app) hintCrashes(s activities.Summary) {
	n := 0
	for _, o := range s.Fuzzing {
		for _, b := range o.Bugs {
			if n++; n > maxHinted {
				continue
			}
			stable := "not run again"
			switch {
			case b.Tried > 0 && b.Reproduced == b.Tried:
				stable = fmt.Sprintf("stable, %d of %d", b.Reproduced, b.Tried)
			case b.Tried > 0:
				stable = fmt.Sprintf("flaky, %d of %d", b.Reproduced, b.Tried)
			}
			a.say("%s cordon crashes show %s  (%s; %s)", a.paintErr(dim, "crash   "), plain(b.ID), stable, count(b.Inputs, "input", "inputs"))
		}
	}
	if n > maxHinted {
		a.say("         and %s more: cordon crashes list", thousands(n-maxHinted))
	}
}

// confinement says what a tool was not kept from, where that is anything.
func confinement(r *sandbox.Report) string {
	switch {
	case r == nil:
		return ""
	case !r.Enforced:
		return "The tools were not confined: this host allows none of it ('cordon doctor' says why)."
	case len(r.Missing) > 0:
		var missing []string
		for _, m := range r.Missing {
			missing = append(missing, string(m.Promise))
		}
		return fmt.Sprintf("The tools were confined (%s), without: %s ('cordon doctor' says why).", r.Tier, strings.Join(missing, ", "))
	}
	return ""
}
