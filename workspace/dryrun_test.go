package workspace_test

import (
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// A dry run says what a sweep does, also of a failed run that nobody swept after
// until the time that its workspace would have been kept for was over.
func TestDryRunOfWhatWasKeptLongEnough(t *testing.T) {
	b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = 24 * time.Hour })
	ws := b.ask("R", cordon.Isolated, func(r *workspace.Request) { r.KeepOnFailure = true })
	f := b.over(0)
	f.Failed = true
	reg.set("R", f)
	b.pass(25 * time.Hour)
	dry, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
	must(t, err)
	if len(dry.Removals) != 1 || dry.Removals[0].Path != ws.Path {
		t.Errorf("dry run: %+v", dry)
	}
	b.sweep()
	mustBeGone(t, ws.Path)
}
