package workspace_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// A sweep remembers what it read of holds. Whatever another process did to one since
// is seen by the next one all the same.
func TestASweepSeesHoldsThatOthersChangedSinceTheLastOne(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*bench)
		asked  []string // about whom it is asked then
	}{
		{"another run has one", func(b *bench) { b.ask("C", cordon.Shared) }, []string{"A", "B", "C"}},
		{"a run has none any more", func(b *bench) {
			_, err := b.cache.Cleanup(b.t.Context(), b.path("T/workspace"), workspace.Caller{Run: "A"})
			must(b.t, err)
		}, []string{"B"}},
		{"another execution has it too", func(b *bench) {
			b.ask("B", cordon.Shared, func(r *workspace.Request) { r.Owner.RunID = "B2" })
		}, []string{"A", "B", "B2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, reg := newAsking(t)
			for _, run := range []string{"A", "B", "B2", "C"} {
				reg.set(run, open())
			}
			b.ask("A", cordon.Shared)
			b.ask("B", cordon.Shared)
			time.Sleep(100 * time.Millisecond) // what has just changed is read again anyhow
			b.sweep()
			b.sweep()

			mine := b.cache
			b.cache = b.open()
			c.change(b)
			b.cache = mine
			time.Sleep(100 * time.Millisecond)
			for range 2 { // it reads them, and remembers them
				b.sweep()
				var asked []string
				for _, o := range reg.asked[len(reg.asked)-1] {
					asked = append(asked, o.RunID)
				}
				slices.Sort(asked)
				if !slices.Equal(asked, c.asked) {
					t.Errorf("it asked about %v, want %v", asked, c.asked)
				}
			}
		})
	}
}

// The hold of an open run is renewed often enough, and no more often.
func TestAHoldIsRenewedWhenAPartOfItsLifeIsOver(t *testing.T) {
	b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = 64 * time.Hour })
	ws := b.ask("R", cordon.Isolated)
	reg.set("R", open())
	expires := func() time.Time {
		t.Helper()
		h := b.entries()[b.rel(ws.Path)].Holders
		if len(h) != 1 {
			t.Fatalf("holders %+v", h)
		}
		return h[0].Expires
	}
	first := expires()
	b.pass(50 * time.Minute)
	b.sweep()
	if got := expires(); !got.Equal(first) {
		t.Errorf("it was renewed after 50 of 3840 minutes: %v, before %v", got, first)
	}
	b.pass(20 * time.Minute)
	b.sweep()
	if got := expires().Sub(first); got < time.Hour {
		t.Errorf("after 70 of 3840 minutes it was renewed by %v", got)
	}
}
