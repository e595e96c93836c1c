package model_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// what a client did to one key: a run's entry ("target/run"), or a target's shared
// tree ("target").
type what string

const (
	opGet     what = "get"     // of an entry of the run's own
	opRefused what = "refused" // a Get that met a cleanup
	opCleanup what = "cleanup"

	// A Get of a shared tree that was not there makes it first, and holds it then:
	// others may come between the two.
	opMake    what = "make"
	opHold    what = "hold"
	opRelease what = "release"
	opEvict   what = "evict"
)

// op is a call and its answer.
type op struct {
	key, target, run string
	what             what
	mode             cordon.Mode
	etag             string
	version          int  // that etag names, from 1 on
	current          bool // it was the store's at some time of the call
	hit              bool
	outcome          workspace.Outcome
}

func (o op) String() string {
	return fmt.Sprintf("%s for %s: version %d, current %v, hit %v, %s", o.what, o.run, o.version, o.current, o.hit, o.outcome)
}

// state is what a key has: a version or 0, and who holds it, where it is shared.
type state struct {
	version int
	holders string // runs, in order
	doomed  bool   // a cleanup met its making: what still appears of it goes
}

func (s state) has(run string) bool {
	_, ok := cut(s.holders, run)
	return ok
}

// sequential is what the calls would do one after the other.
var sequential = porcupine.NondeterministicModel{
	Partition: func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[string]int{}
		for _, o := range all {
			k := o.Input.(op).key
			i, ok := at[k]
			if !ok {
				i = len(parts)
				at[k], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], o)
		}
		return parts
	},
	Init:              func() []any { return []any{state{}} },
	Step:              func(s, in, _ any) []any { return next(s.(state), in.(op)) },
	DescribeOperation: func(in, _ any) string { return in.(op).String() },
}

func next(s state, o op) []any {
	const no = 0
	switch o.what {
	case opGet:
		if s.version != no { // the same again, whatever the store has
			return if1(o.version == s.version && o.hit, s)
		}
		// An isolated run has an object of its own; the others may find theirs cached.
		return if1(o.current && !(o.hit && o.mode == cordon.Isolated), state{version: o.version})
	case opRefused:
		return []any{s}
	case opCleanup:
		switch o.outcome {
		case workspace.Removed:
			return if1(s.version != no || s.doomed, state{})
		case workspace.Unknown:
			return if1(s.version == no, s)
		case workspace.Scheduled:
			return []any{state{doomed: true}}
		}
	case opMake: // it may be in vain, for another was quicker
		if s.version == o.version || s.holders != "" || !o.current {
			return []any{s}
		}
		return []any{s, state{version: o.version}}
	case opHold:
		if s.version != o.version {
			return nil
		}
		if s.has(o.run) {
			return []any{s}
		}
		return if1(o.current, state{version: s.version, holders: insert(s.holders, o.run)})
	case opRelease:
		left, had := cut(s.holders, o.run)
		switch o.outcome {
		case workspace.Released:
			return if1(had, state{version: s.version, holders: left})
		case workspace.Kept:
			return if1(!had, s)
		case workspace.Unknown:
			return if1(s.version == no, s)
		}
	case opEvict:
		return if1(s.version != no && s.holders == "", state{})
	}
	return nil
}

func if1(ok bool, s state) []any {
	if ok {
		return []any{s}
	}
	return nil
}

// cut returns the holders without run, and whether it was one of them.
func cut(holders, run string) (left string, had bool) {
	var list []string
	for _, h := range strings.Fields(holders) {
		if h == run {
			had = true
			continue
		}
		list = append(list, h)
	}
	return strings.Join(list, " "), had
}

// insert returns the holders with run, in order, so that equal states are equal.
func insert(holders, run string) string {
	list := append(strings.Fields(holders), run)
	slices.Sort(list)
	return strings.Join(list, " ")
}
