package storm

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
)

// getAgain asks once more for what a run has, mostly in the same mode.
func (l *lane) getAgain(round context.Context) {
	c := l.some(nil)
	if c == nil {
		return
	}
	mode := cordon.Isolated
	switch {
	case c.shared || c.readOnly:
		mode = cordon.Shared
	case l.rnd.IntN(2) == 0:
		mode = cordon.CopyOnWrite
	}
	if l.rnd.IntN(10) == 0 {
		mode = l.someMode()
	}
	l.get(round, l.run(c.run), c.st, mode, 1+l.rnd.IntN(4)/3)
}

// get asks for a workspace, several processes at once if attempts is more than one.
// While what goes on beside it does, the run's own workspace may be taken away.
func (l *lane) get(round context.Context, r *run, st *stock, mode cordon.Mode, attempts int, beside ...*sync.WaitGroup) {
	began, raid := time.Now(), l.w.raids.Load()
	own, newOwn := r.claim(l.w, st, false, began)
	shared, newShared := own, false
	if mode == cordon.Shared {
		own.twofold = own.twofold || !own.sure
		shared, newShared = r.claim(l.w, st, true, began)
	}
	type outcome struct {
		a  answer
		p  *process
		ok bool
	}
	outcomes := make([]outcome, attempts)
	var all sync.WaitGroup
	for i := range outcomes {
		cmd := command{Op: opGet, Target: st.name, Run: r.name, Mode: mode, Keep: r.keep}
		switch l.rnd.IntN(20) {
		case 0:
			cmd.Limit = time.Duration(1 + l.rnd.ExpFloat64()*float64(10*time.Millisecond))
		case 1:
			cmd.Cancel = time.Duration(1 + l.rnd.ExpFloat64()*float64(10*time.Millisecond))
		}
		s := l.w.slots[l.n%len(l.w.slots)]
		if i > 0 || l.rnd.IntN(3) == 0 {
			s = l.w.slots[l.rnd.IntN(len(l.w.slots))]
		}
		all.Go(func() {
			if p := s.process(round); p != nil {
				outcomes[i].p = p
				outcomes[i].a, _, outcomes[i].ok = l.by(p, cmd)
			}
		})
	}
	all.Wait()
	for _, g := range beside {
		g.Wait()
	}

	clear := len(beside) == 0 // it is known what became of every attempt
	var got *claim
	has := map[*claim]bool{}
	for _, o := range outcomes {
		switch {
		case o.p == nil: // not even tried
		case !o.ok:
			clear = false
		case o.a.Err == "":
			c := own
			if o.a.Got.Path == shared.handed() {
				c = shared
			}
			if want := c.handed(); o.a.Got.Path != want {
				l.w.fail(c.about(), "Get returned the path %s, want %s", o.a.Got.Path, want)
				return
			}
			c.accept(o.a.Got, began, raid)
			got, has[c] = c, true
		case o.a.Context:
			// With the deadline over, the work goes on for those who ask again.
			clear, own.linger = false, o.p
		default:
			l.refused(own, mode, o.a, raid)
		}
	}
	if len(has) > 1 {
		l.w.fail(own.about(), "attempts beside each other got two paths: %s and %s", own.path, shared.path)
	}
	if clear && l.w.calm(raid) {
		if newOwn && !has[own] {
			l.drop(own)
		}
		if newShared && !has[shared] {
			l.drop(shared)
		}
	}
	if len(beside) > 0 {
		own.sure = false
	}
	if got != nil && l.rnd.IntN(10) < 7 {
		got.check("after Get")
	}
	if got == nil && clear {
		// The cache is full of what the lanes have.
		l.cleanup(round, l.some(nil))
	}
}

// race cleans up what is being asked for at the same time: whichever comes first,
// neither may be left half done.
func (l *lane) race(round context.Context) {
	r, st, mode := l.someRun(), l.someStock(), l.someMode()
	cmd := command{Op: opCleanup, Target: st.name, Run: r.name, Path: filepath.Join(l.w.cache, st.name, r.name)}
	delay := time.Duration(l.rnd.ExpFloat64() * float64(20*time.Millisecond))
	s := l.w.slots[l.rnd.IntN(len(l.w.slots))]
	raid := l.w.raids.Load()
	var other sync.WaitGroup
	other.Go(func() {
		time.Sleep(delay)
		if p := s.process(round); p != nil {
			if a, _, ok := l.by(p, cmd); ok && a.Err != "" && l.w.calm(raid) {
				l.w.fail(about{st.name, r.name, cmd.Path}, "%s: %s (kind %q)", cmd, a.Err, a.Kind)
			}
		}
	})
	if c := r.claims[place{st, false}]; c != nil {
		c.sure = false
	}
	l.get(round, r, st, mode, 1, &other)
}

// handed returns the path that it has to be handed out at.
func (c *claim) handed() string {
	if _, file := c.st.trees[0][""]; file {
		return c.dir() + "/target"
	}
	return c.dir() + "/workspace"
}

// refused looks at why a Get failed.
func (l *lane) refused(own *claim, mode cordon.Mode, a answer, raid int64) {
	allowed := []cordon.Kind{cordon.Busy, cordon.NoSpace}
	if (own.version != nil && own.readOnly || own.twofold) && mode != cordon.Shared {
		allowed = append(allowed, cordon.InvalidArgument) // it is shared with the run read-only, where it wants one to write to
	}
	if !slices.Contains(allowed, a.Kind) && (l.w.calm(raid) || a.Kind == "") {
		l.w.fail(own.about(), "get %s %s %s: %s (kind %q)", own.st.name, own.run, mode, a.Err, a.Kind)
	}
	l.w.sum.kinds.add(string(a.Kind))
}

// cleanup ends what a run has.
func (l *lane) cleanup(round context.Context, c *claim) {
	if c == nil {
		return
	}
	if l.rnd.IntN(2) == 0 {
		c.check("before Cleanup")
	}
	raid, had, lingering := l.w.raids.Load(), c.certain(), c.linger != nil && !c.linger.ended()
	cmd := command{Op: opCleanup, Target: c.st.name, Run: c.run, Path: c.handed()}
	if l.rnd.IntN(5) == 0 {
		cmd.Path = c.dir()
	}
	if l.rnd.IntN(20) == 0 {
		cmd.Cancel = time.Duration(1 + l.rnd.ExpFloat64()*float64(time.Millisecond))
	}
	c.sure = false
	a, p, ok := l.do(round, cmd)
	switch {
	case p == nil:
		c.sure = had
	case !ok || a.Context: // it may have been done
	case a.Err != "":
		if l.w.calm(raid) {
			l.w.fail(c.about(), "%s: %s (kind %q)", cmd, a.Err, a.Kind)
		}
	default:
		l.cleaned(c, cmd, a, had && l.w.calm(raid), lingering)
	}
}

func (l *lane) cleaned(c *claim, cmd command, a answer, had, lingering bool) {
	switch a.Outcome {
	case "removed", "released":
		if c.shared != (a.Outcome == "released") {
			l.w.fail(c.about(), "%s: %+v", cmd, a)
		}
	case "unknown", "kept":
		if had {
			l.w.fail(c.about(), "%s of what the run had: %+v", cmd, a)
		}
	default:
		return // somebody else is about to do it
	}
	if !lingering {
		l.drop(c)
	}
}

func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}
