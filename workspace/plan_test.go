package workspace_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func (b *bench) dry(opts workspace.SweepOptions) workspace.SweepReport {
	b.t.Helper()
	opts.DryRun = true
	rep, err := b.cache.Sweep(b.t.Context(), opts)
	must(b.t, err)
	return rep
}

func (b *bench) apply(id string) workspace.SweepReport {
	b.t.Helper()
	rep, err := b.cache.Sweep(b.t.Context(), workspace.SweepOptions{Plan: id})
	must(b.t, err)
	return rep
}

// targets lists the targets of removals, in their order.
func targets(list []workspace.Removal) string {
	var ids []string
	for _, r := range list {
		ids = append(ids, r.Target.String())
	}
	return strings.Join(ids, " ")
}

// idle puts a target into the cache that nobody holds.
func (b *bench) idle(id string) {
	b.t.Helper()
	b.put(id, project.tarball(b.t))
	b.cleanup(b.get(id, "gone", cordon.Shared).Path, "gone")
	b.pass(time.Minute)
}

func TestAPlanIsCarriedOut(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		b.idle(id)
	}
	plan := b.dry(workspace.SweepOptions{Shrink: true})
	want := plan.Plan
	if want == "" || plan.Removals[len(plan.Removals)-1].Kind != workspace.KindShared {
		t.Fatalf("the dry run says %+v", plan)
	}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		mustExist(t, b.path(id+"/workspace"))
	}
	b.pass(time.Minute)
	if again := b.dry(workspace.SweepOptions{Shrink: true}); again.Plan != want {
		t.Errorf("the same plan has the ids %s and %s", want, again.Plan)
	}
	if other := b.dry(workspace.SweepOptions{Shrink: true, KeepBytes: 1}); other.Plan == want {
		t.Error("another plan has the same id")
	}
	// Meanwhile: b is used, c is pinned, d is replaced by a newer one, f comes.
	b.get("b", "live", cordon.Shared)
	must(t, b.cache.Pin(keyOf("shared", "c"), "evidence"))
	b.put("d", tree{"other": "1"}.tarball(t))
	b.cleanup(b.get("d", "later", cordon.Shared).Path, "later")
	b.idle("f")
	b.pass(time.Hour)

	rep := b.apply(want)
	if rep.Plan != want {
		t.Errorf("the report names the plan %q", rep.Plan)
	}
	for id, there := range map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": false, "f": true} {
		if _, err := os.Stat(b.path(id + "/workspace")); (err == nil) != there {
			t.Errorf("%s: %v; want it there: %t", id, err, there)
		}
	}
	said := map[string]string{}
	for _, r := range rep.Deferred {
		if r.Key != "" {
			said[r.Target.String()] = r.Reason
		}
	}
	for id, words := range map[string]string{
		"b": "in use again since the plan was made, by run live", "c": "evidence, since the plan was made", "d": "made anew since the plan was made",
	} {
		if !strings.Contains(said[id], words) {
			t.Errorf("%s stays because %q, want %q", id, said[id], words)
		}
	}
	if len(said) != 3 {
		t.Errorf("deferred: %v", said)
	}
	for _, r := range b.apply(want).Deferred {
		if r.Target.String() == "a" && r.Reason != "gone since the plan was made" {
			t.Errorf("once more: %+v", r)
		}
	}
}

// What a plan does not need any more, because others made room, stays.
func TestAPlanShrinksNoFurther(t *testing.T) {
	b := newBench(t)
	b.idle("a")
	b.idle("b")
	keep := b.entries()["a/workspace"].Bytes
	plan := b.dry(workspace.SweepOptions{Shrink: true, KeepBytes: keep})
	if got := targets(plan.Removals); !strings.Contains(got, "a") {
		t.Fatalf("planned: %s", got)
	}
	must(t, os.RemoveAll(b.path("b")))
	rep := b.apply(plan.Plan)
	if len(rep.Removals) != 0 || len(rep.Deferred) != len(plan.Removals) {
		t.Errorf("removed %+v, deferred %+v", rep.Removals, rep.Deferred)
	}
	mustExist(t, b.path("a/workspace"))
}

// A plan has what is no entry too, and leaves alone what it has not.
func TestAPlanOfLeftovers(t *testing.T) {
	b := newBench(t)
	leave := func(id string) {
		must(t, os.MkdirAll(b.path(".cordon/staging/"+id+"/entry"), 0o755))
		must(t, os.WriteFile(b.path(".cordon/reservations/"+id), nil, 0o644))
	}
	leave("dead1")
	plan := b.dry(workspace.SweepOptions{})
	if len(plan.Removals) != 1 {
		t.Fatalf("planned: %+v", plan.Removals)
	}
	leave("dead2")
	rep := b.apply(plan.Plan)
	mustBeGone(t, b.path(".cordon/staging/dead1"))
	mustExist(t, b.path(".cordon/staging/dead2"))
	if len(rep.Removals) != 1 || len(rep.Deferred) != 0 {
		t.Errorf("the report is %+v", rep)
	}
}

func TestAPlanExpires(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) { o.TTL = 1000 * time.Hour })
	b.idle("a")
	plan := b.dry(workspace.SweepOptions{Shrink: true}).Plan
	_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Plan: "0123456789ab"})
	mustBeKind(t, err, cordon.TargetNotFound, "gc --dry-run")
	for _, id := range []string{"../records/x", plan + "0", plan[1:], "0123456789AB"} {
		_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Plan: id})
		mustBeKind(t, err, cordon.InvalidArgument, "12 hexadecimal digits")
	}
	b.pass(23 * time.Hour)
	b.sweep()
	mustExist(t, b.path(".cordon/plans/"+plan+".json"))
	b.pass(2 * time.Hour)
	_, err = b.cache.Sweep(t.Context(), workspace.SweepOptions{Plan: plan})
	mustBeKind(t, err, cordon.TargetNotFound, "older than 24 hours")
	b.sweep()
	mustBeGone(t, b.path(".cordon/plans/"+plan+".json"))
	mustExist(t, b.path("a/workspace"))
	if none := b.dry(workspace.SweepOptions{}); none.Plan != "" {
		t.Errorf("a plan of nothing: %+v", none)
	}
	_, err = b.cache.Sweep(t.Context(), workspace.SweepOptions{Plan: plan, Shrink: true})
	mustBeKind(t, err, cordon.InvalidArgument)
}
