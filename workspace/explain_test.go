package workspace_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// fates answers what became of runs by their workflow's id.
type fates map[string]workspace.Fate

func (f fates) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	var out []workspace.Fate
	for _, o := range owners {
		out = append(out, f[o.WorkflowID])
	}
	return out
}

func (b *bench) explain(name string) workspace.Explanation {
	b.t.Helper()
	x, err := b.cache.Explain(b.t.Context(), name)
	must(b.t, err)
	return x
}

func TestExplainKeptAndGoing(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
	b.idle("idle")
	b.idle("pinned")
	must(t, b.cache.Pin(keyOf("shared", "pinned"), "a talk"))
	b.idle("used")
	b.get("used", "live", cordon.Shared)
	b.put("run", project.tarball(t))
	b.get("run", "own", cordon.Isolated)
	tests := []struct {
		name, verdict string
		stays         bool
		possible      bool
		why           string
	}{
		{"idle", "kept because it was used within CACHE_TTL (1h)", true, true, ""},
		{"pinned", "a talk", true, false, "it is pinned"},
		{"used", "kept because run live holds it: a living process has it", true, false, "runs hold it"},
		{"run", "kept because run own holds it", true, false, "runs hold it"},
	}
	for _, tt := range tests {
		x := b.explain(tt.name)
		if x.Stays != tt.stays || !strings.Contains(x.Verdict, tt.verdict) || x.Eviction.Possible != tt.possible || x.Eviction.Why != tt.why {
			t.Errorf("%s: %+v\nwant %+v", tt.name, x, tt)
		}
	}
	if x := b.explain("idle"); x.Eviction.Rank != 1 || x.Eviction.Of != 1 || x.Eviction.Object == 0 || x.TTLLeft < 50*60 || x.TTLLeft > 60*60 || x.Limits.MaxSize == 0 {
		t.Errorf("idle: %+v", x)
	}
	b.pass(2 * time.Hour)
	if x := b.explain("idle"); x.Stays || !strings.Contains(x.Verdict, "would go at the next sweep because not used for 2h") || x.TTLLeft != 0 {
		t.Errorf("idle for two hours: %+v", x)
	}
	if x := b.explain("pinned"); !x.Stays {
		t.Errorf("pinned: %+v", x)
	}
	must(t, os.RemoveAll(b.path("idle/workspace")))
	if x := b.explain("idle"); x.Stays || x.Missing != "its files are gone" || !strings.Contains(x.Verdict, "its files are gone") {
		t.Errorf("gone: %+v", x)
	}
	b.editRecord(keyOf("shared", "used"), func(m map[string]any) { m["tampered"] = "x" })
	if x := b.explain("used"); !strings.Contains(x.Verdict, "holds it") || !strings.Contains(x.Verdict, "no new run gets it") {
		t.Errorf("what was tampered with: %s", x.Verdict)
	}
	b.sweep()
	_, err := b.cache.Explain(t.Context(), "idle")
	mustBeKind(t, err, cordon.TargetNotFound)
	if x := b.explain("used"); !x.Stays {
		t.Errorf("what the verdict said went: %+v", x)
	}
}

// The entry that a full cache loses next is told so, and no other.
func TestExplainOverTheLimit(t *testing.T) {
	const mb = 1 << 20
	b := newBench(t)
	for _, id := range []string{"a", "b", "c"} {
		b.put(id, random(id[0], mb))
		b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
		b.pass(time.Minute)
	}
	limited(2*mb + mb/2)(&b.opts)
	b.cache = b.open()
	for i, id := range []string{"a", "b", "c"} {
		x := b.explain(id)
		if x.Stays != (i > 0) || x.Eviction.Rank != i+1 || x.Eviction.Of != 3 || strings.Contains(x.Verdict, "CACHE_MAX_SIZE") != (i == 0) {
			t.Errorf("%s: %s, %+v", id, x.Verdict, x.Eviction)
		}
	}
	b.sweep()
	mustBeGone(t, b.path("a"))
	mustExist(t, b.path("b/target"))
}

func TestExplainHolders(t *testing.T) {
	closed := time.Now().Add(-time.Minute).Truncate(time.Second)
	b := newBench(t, func(o *workspace.Options) {
		o.TTL, o.Grace = time.Hour, time.Hour
		o.Runs = fates{
			"open":   {State: workspace.RunOpen},
			"closed": {State: workspace.RunClosed, Status: "failed", Failed: true, Closed: closed},
			"lost":   {State: workspace.RunUnknown, Why: errors.New("no route")},
		}
	})
	b.put("t", project.tarball(t))
	for _, id := range []string{"open", "closed", "lost", ""} {
		req := request("t", "run-"+id+"x", cordon.Shared)
		if id != "" {
			req.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: id, RunID: "run-" + id + "x"}
		}
		_, err := b.cache.Get(t.Context(), req)
		must(t, err)
	}
	x := b.explain("t")
	want := map[string]string{
		"run-openx":   "its run is open",
		"run-closedx": "its run is over since " + closed.UTC().Format(time.RFC3339) + " (failed), and its grace (CACHE_GRACE) is not",
		"run-lostx":   "whether its run is over is unknown: no route",
		"run-x":       "a living process has it; no Temporal knows its run: it ends by cleanup or expiry",
	}
	for _, h := range x.Holders {
		if want[h.Run] != h.State || h.Ended || h.Expires.IsZero() {
			t.Errorf("%s: %q", h.Run, h.State)
		}
	}
	if len(x.Holders) != 4 || x.Verdict != "kept because 4 runs hold it" {
		t.Errorf("%d holders: %s", len(x.Holders), x.Verdict)
	}
	must(t, b.cache.Close())
	b.cache = b.open()
	b.pass(2 * time.Hour)
	want = map[string]string{
		"run-openx":   "its run is open",
		"run-closedx": "it has expired; its run is over since",
		"run-lostx":   "it has expired; whether",
		"run-x":       "it has expired; no Temporal",
	}
	for _, h := range b.explain("t").Holders {
		if h.Ended != (h.Run != "run-openx") || !strings.HasPrefix(h.State, want[h.Run]) {
			t.Errorf("after its time: %+v", h)
		}
	}
}

// Why Temporal does not answer may be long. The verdict leaves it to the holder.
func TestExplainWithTemporalAway(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) {
		o.Runs = fates{"w": {State: workspace.RunUnknown, Why: errors.New("no route: to it")}}
	})
	b.put("t", project.tarball(t))
	req := request("t", "one", cordon.Shared)
	req.Owner = workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w", RunID: "one"}
	_, err := b.cache.Get(t.Context(), req)
	must(t, err)
	x := b.explain("t")
	if strings.Contains(x.Verdict, "no route") || !strings.HasSuffix(x.Verdict, "whether its run is over is unknown") || !strings.HasSuffix(x.Holders[0].State, "no route: to it") {
		t.Errorf("%s\n%s", x.Verdict, x.Holders[0].State)
	}
}

// A failed run's workspace says until when it stays, and why.
func TestEntriesOfAFailedRun(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Isolated)
	b.pass(30 * time.Minute)
	until, err := b.cache.Keep(t.Context(), ws.Path)
	must(t, err)
	e := b.entries()[b.rel(ws.Path)]
	if len(e.Holders) != 1 || e.Holders[0].Kept != "failed" || !e.Holders[0].Expires.Equal(until) || !e.Expires.Equal(until) {
		t.Errorf("kept until %v: %+v", until, e)
	}
}

// A base says which workspaces are made of it.
func TestExplainBase(t *testing.T) {
	b := overlayBench(t)
	b.get("t", "one", cordon.CopyOnWrite)
	x := b.explain(keyOf("base", "t"))
	if len(x.Holders) != 1 || x.Holders[0].For != keyOf("run", "t", "one") || x.Holders[0].State != "the view of its workspace needs this" || !x.Stays {
		t.Errorf("%+v", x)
	}
}
