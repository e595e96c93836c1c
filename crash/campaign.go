package crash

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
)

// Campaign returns what keeps the crashes of the campaigns of one run.
func (s *Store) Campaign(o Origin) fuzz.Crashes { return campaign{s, o} }

type campaign struct {
	store *Store
	o     Origin
}

// Identify implements fuzz.Crashes.
func (c campaign) Identify(harness string, kind fuzz.FoundKind, log string, input []byte) fuzz.Bug {
	r, signature := Identify(c.o, harness, kind, log, input)
	w := r.Where()
	return fuzz.Bug{ID: signature, Type: r.Type, Title: r.Title, Function: w.Func, File: w.File, Line: w.Line}
}

// Keep implements fuzz.Crashes. The bug is the one of Identify, as what is in c says.
func (c campaign) Keep(ctx context.Context, _ fuzz.Bug, crash fuzz.Crash) error {
	_, err := c.store.Add(ctx, Crash{c.o, crash})
	return err
}
