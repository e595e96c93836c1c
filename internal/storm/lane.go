package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// lane does one thing after the other for its runs.
type lane struct {
	w    *season
	n    int
	rnd  *rand.Rand
	runs []*run
	kept []*run // that are over, and whose workspaces are kept
	made int    // runs so far
}

// laneRuns is how many runs a lane has at most.
const laneRuns = 3

// deed is something that a lane does, and how often.
type deed struct {
	weight int
	do     func(l *lane, round context.Context)
}

var deeds = []deed{
	{30, func(l *lane, ctx context.Context) { l.get(ctx, l.someRun(), l.someStock(), l.someMode(), 1) }},
	{12, (*lane).getAgain},
	{6, func(l *lane, ctx context.Context) {
		l.get(ctx, l.someRun(), l.someStock(), l.someMode(), 2+l.rnd.IntN(2))
	}},
	{16, func(l *lane, ctx context.Context) { l.write(ctx, l.some((*claim).writable)) }},
	{24, func(l *lane, ctx context.Context) { l.cleanup(ctx, l.some(nil)) }},
	{4, (*lane).race},
	{5, (*lane).sweep},
	{5, (*lane).list},
	{2, func(l *lane, ctx context.Context) { l.plain(ctx, command{Op: opOpen}) }},
	{2, (*lane).keep},
	{2, (*lane).over},
	{1, (*lane).put},
	{1, (*lane).missing},
	{1, (*lane).stranger},
	{3, func(l *lane, _ context.Context) {
		if c := l.some((*claim).certain); c != nil {
			c.check("looked at in between")
		}
	}},
}

// live goes on until the round is over.
func (l *lane) live(round context.Context) {
	sum := 0
	for _, d := range deeds {
		sum += d.weight
	}
	for round.Err() == nil {
		n := l.rnd.IntN(sum)
		for _, d := range deeds {
			if n -= d.weight; n < 0 {
				d.do(l, round)
				break
			}
		}
	}
}

// do has cmd carried out by a process, the lane's usual one more often than not.
func (l *lane) do(round context.Context, cmd command) (a answer, p *process, ok bool) {
	s := l.w.slots[l.n%len(l.w.slots)]
	if l.rnd.IntN(3) == 0 {
		s = l.w.slots[l.rnd.IntN(len(l.w.slots))]
	}
	if p = s.process(round); p == nil {
		return answer{}, nil, false
	}
	return l.by(p, cmd)
}

func (l *lane) by(p *process, cmd command) (answer, *process, bool) {
	began := time.Now()
	a, ok := p.do(cmd)
	l.w.note(began, p.pid(), l.n, cmd, a, ok)
	return a, p, ok
}

func (l *lane) someRun() *run {
	if len(l.runs) > 0 && (len(l.runs) == laneRuns || l.rnd.IntN(2) == 0) {
		return l.runs[l.rnd.IntN(len(l.runs))]
	}
	l.made++
	r := &run{name: fmt.Sprintf("run-%d-%d", l.n, l.made), keep: l.w.Grace > 0 && l.rnd.IntN(3) == 0, claims: map[place]*claim{}}
	l.runs = append(l.runs, r)
	return r
}

func (l *lane) someStock() *stock {
	n := l.rnd.IntN(l.w.shelf.sum)
	for _, st := range l.w.shelf.all {
		if n -= st.weight; n < 0 {
			return st
		}
	}
	panic("weights")
}

func (l *lane) someMode() cordon.Mode { return cordon.Modes[l.rnd.IntN(len(cordon.Modes))] }

// some picks one of the lane's claims, or nil. The order of maps is not the
// seed's, so it is not relied on.
func (l *lane) some(fit func(*claim) bool) *claim {
	var all []*claim
	for _, r := range l.runs {
		for _, st := range l.w.shelf.all {
			for _, shared := range []bool{false, true} {
				if c := r.claims[place{st, shared}]; c != nil && (fit == nil || fit(c)) {
					all = append(all, c)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[l.rnd.IntN(len(all))]
}

// drop ends a claim, and its run with its last one.
func (l *lane) drop(c *claim) {
	for _, runs := range []*[]*run{&l.runs, &l.kept} {
		for i, r := range *runs {
			if r.name != c.run {
				continue
			}
			c.forget(r)
			if len(r.claims) == 0 {
				*runs = append((*runs)[:i], (*runs)[i+1:]...)
			}
			return
		}
	}
}

func (l *lane) run(name string) *run {
	for _, r := range l.runs {
		if r.name == name {
			return r
		}
	}
	return nil
}

// plain does what must not fail, whatever else goes on.
func (l *lane) plain(round context.Context, cmd command) {
	raid := l.w.raids.Load()
	a, _, ok := l.do(round, cmd)
	if ok && a.Err != "" && !a.Context && l.w.calm(raid) {
		l.w.fail(about{cmd.Target, cmd.Run, cmd.Path}, "%s: %s (kind %q)", cmd, a.Err, a.Kind)
	}
}

func (l *lane) sweep(round context.Context) {
	cmd := command{Op: opSweep, Sweep: workspace.SweepOptions{Restore: l.rnd.IntN(3) > 0, DryRun: l.rnd.IntN(5) == 0}}
	if l.rnd.IntN(8) == 0 {
		cmd.Sweep.Shrink, cmd.Sweep.KeepBytes = true, l.rnd.Int64N(l.w.MaxSize)
	}
	if l.rnd.IntN(8) == 0 {
		cmd.Cancel = time.Duration(1 + l.rnd.IntN(int(5*time.Millisecond)))
	}
	l.plain(round, cmd)
}

func (l *lane) list(round context.Context) { l.plain(round, command{Op: opList}) }

func (l *lane) put(context.Context) {
	l.w.sum.puts.Add(1)
	if err := l.w.shelf.put(l.someStock()); err != nil {
		l.w.fail(about{}, "replace an object: %v", err)
	}
}

// missing asks for what the store does not have.
func (l *lane) missing(round context.Context) {
	cmd := command{Op: opGet, Target: "missing", Run: fmt.Sprintf("run-%d-none", l.n), Mode: l.someMode()}
	raid := l.w.raids.Load()
	if a, _, ok := l.do(round, cmd); ok && a.Kind != cordon.TargetNotFound && l.w.calm(raid) {
		l.w.fail(about{cmd.Target, cmd.Run, ""}, "%s: %+v, want TargetNotFound", cmd, a)
	}
}

// stranger cleans up what is nobody's.
func (l *lane) stranger(round context.Context) {
	paths := []string{"/", l.w.cache, l.w.cache + "/" + foreign, l.w.cache + "/" + foreign + "/file", l.w.cache + "/.cordon", "small-a", l.w.cache + "/small-a/nobody/workspace",
		l.w.cache + "/small-a/run-x/../../" + foreign, l.w.cache + "/small-a/workspace/pkg"}
	cmd := command{Op: opCleanup, Run: "nobody", Path: paths[l.rnd.IntN(len(paths))]}
	raid := l.w.raids.Load()
	if a, _, ok := l.do(round, cmd); ok && (a.Err != "" || a.Outcome != workspace.Unknown) && l.w.calm(raid) {
		l.w.fail(about{"", "", cmd.Path}, "%s: %+v, want nothing done", cmd, a)
	}
}

// over ends a run without cleaning anything up: its worker died, or somebody
// terminated it. What it has is gone after the next sweep, unless it is kept.
func (l *lane) over(context.Context) {
	if l.w.Grace == 0 || len(l.runs) == 0 {
		return
	}
	i := l.rnd.IntN(len(l.runs))
	r := l.runs[i]
	status := "terminated"
	if l.rnd.IntN(2) == 0 {
		status = failed
	}
	l.runs = append(l.runs[:i], l.runs[i+1:]...)
	for _, c := range r.claims {
		if c.shared || !r.keep || status != failed {
			c.forget(r)
		}
	}
	if len(r.claims) > 0 {
		l.kept = append(l.kept, r)
	}
	if err := l.w.runs.close(r.name, status); err != nil {
		l.w.fail(about{}, "end a run: %v", err)
	}
	l.w.note(time.Now(), os.Getpid(), l.n, command{Op: "end run as " + op(status), Run: r.name, Keep: r.keep}, answer{}, true)
}

// keep leaves a file of a workspace open in some process, and goes on.
func (l *lane) keep(round context.Context) {
	c := l.some((*claim).certain)
	if c == nil {
		return
	}
	p := l.w.slots[l.rnd.IntN(len(l.w.slots))].process(round)
	if p == nil {
		return
	}
	cmd := command{Op: []op{opKeep, opUse}[l.rnd.IntN(2)], Path: c.path, Run: c.run, Target: c.st.name, Limit: time.Duration(l.rnd.IntN(400)) * time.Millisecond}
	l.w.keeping.Go(func() { l.by(p, cmd) }) // it may be gone by then
}
