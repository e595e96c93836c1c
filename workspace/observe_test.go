package workspace_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// witness writes down what it is told, each piece of work with the one that it is a
// part of.
type witness struct {
	mu      sync.Mutex
	works   []string
	arrived int64
	gone    []workspace.Gone
	open    int
}

type workKey struct{}

func (w *witness) Begin(ctx context.Context, work workspace.Work) (context.Context, func(workspace.Done)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	name := string(work.Kind)
	if above, ok := ctx.Value(workKey{}).(string); ok {
		name = above + "/" + name
	}
	return context.WithValue(ctx, workKey{}, name), func(d workspace.Done) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open--
		line := fmt.Sprintf("%s target=%s run=%s mode=%s", name, work.Target, work.Run, work.Mode)
		if work.Driver+d.Driver != "" {
			line += " driver"
		}
		if d.Hit {
			line += " hit"
		}
		if d.Err != nil {
			line += " " + string(cordon.KindOf(d.Err))
		}
		w.works = append(w.works, line)
	}
}

func (w *witness) Arrived(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived += bytes
}

func (w *witness) Gone(g workspace.Gone) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = append(w.gone, g)
}

// told returns what was told since it was asked last, in order.
func (w *witness) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	works := slices.Clone(w.works)
	w.works = nil
	return works
}

func TestAnObserverIsToldWhatIsDone(t *testing.T) {
	w := &witness{}
	b := newBench(t, func(o *workspace.Options) { o.Observer, o.TTL = w, time.Hour })
	content := project.tarball(t)
	b.put("T", content)
	mustBe := func(want ...string) {
		t.Helper()
		if got := w.told(); !slices.Equal(got, want) {
			t.Errorf("told:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}

	b.get("T", "R1", cordon.Shared)
	got := w.told()
	slices.Sort(got) // the download may end before the extraction, or after it
	want := []string{"get target=T run=R1 mode=shared", "get/fetch target=T run=R1 mode=", "get/fetch/download target=T run= mode=", "get/fetch/extract target=T run= mode="}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("a first get is told as %q, want %q", got, want)
	}
	if w.arrived != int64(len(content)) {
		t.Errorf("%d bytes arrived of %d", w.arrived, len(content))
	}
	b.get("T", "R2", cordon.Shared)
	mustBe("get target=T run=R2 mode=shared hit")
	b.getErr("missing", "R3", cordon.Isolated)
	mustBe("get target=missing run=R3 mode=isolated TargetNotFound")
	ws := b.get("T", "R4", cordon.CopyOnWrite)
	mustBe("get/view target=T run=R4 mode= driver", "get target=T run=R4 mode=copy-on-write driver hit")

	b.cleanup(ws.Path, "R4")
	b.cleanup(b.path("T/workspace"), "R1")
	b.cleanup(b.path("T/workspace"), "R2")
	b.mustBeTidy() // the view holds its base until it is unmounted
	b.pass(3 * time.Hour)
	b.sweep()
	mustBe("cleanup target= run=R4 mode=", "cleanup target= run=R1 mode=", "cleanup target= run=R2 mode=", "sweep target= run= mode=")
	causes := map[string]int{}
	for _, g := range w.gone {
		causes[string(g.Kind)+" "+string(g.Cause)]++
		if g.Bytes <= 0 {
			t.Errorf("%+v", g)
		}
	}
	if want := map[string]int{"run cleanup": 1, "shared unused": 1, "base unused": 1}; fmt.Sprint(causes) != fmt.Sprint(want) {
		t.Errorf("gone are %v, want %v", causes, want)
	}
	if w.open != 0 {
		t.Errorf("%d pieces of work never ended", w.open)
	}
}

func TestAnObserverLearnsWhatMadeRoom(t *testing.T) {
	w := &witness{}
	b := newBench(t, limited(5*mb), func(o *workspace.Options) { o.Observer = w })
	for _, id := range []string{"A", "B", "C"} {
		b.put(id, random(id[0], 2*mb))
		ws := b.get(id, "R", cordon.Shared)
		if id != "C" {
			b.cleanup(ws.Path, "R")
		}
	}
	if len(w.gone) != 1 || w.gone[0].Kind != workspace.KindShared || w.gone[0].Cause != workspace.ForLimit || w.gone[0].Bytes < 2*mb {
		t.Errorf("gone are %+v", w.gone)
	}
}

func TestStatsAddUpWhatIsThere(t *testing.T) {
	b := newBench(t, limited(100*mb))
	b.put("T", project.tarball(t))
	b.put("L", random(1, 3*mb))
	b.get("T", "R1", cordon.Shared)
	b.get("T", "R2", cordon.Shared)
	b.get("T", "R3", cordon.CopyOnWrite)
	b.get("T", "R4", cordon.Isolated)
	must(t, b.cache.Pin(b.entries()["T/R4/workspace"].Key, "it is needed"))
	s, err := b.cache.Stats()
	must(t, err)
	u, err := b.cache.Usage()
	must(t, err)
	var bytes int64
	got := map[workspace.Class]int{}
	for class, sum := range s.Entries {
		got[class], bytes = sum.Entries, bytes+sum.Bytes
	}
	want := map[workspace.Class]int{
		{Kind: workspace.KindShared}: 1, {Kind: workspace.KindBase}: 1,
		{Kind: workspace.KindRun, Mode: cordon.CopyOnWrite}: 1, {Kind: workspace.KindRun, Mode: cordon.Isolated}: 1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("entries are %v, want %v", got, want)
	}
	// R1 to R4, and the view that keeps its base, where its driver needs one.
	if s.Holds != 4 && s.Holds != 5 || s.Pins != 1 || s.Reservations != 0 || bytes != u.Recorded || s.MaxSize != 100*mb || s.MinFree != u.MinFree || s.DiskTotal != u.DiskTotal {
		t.Errorf("%+v\nbeside %+v", s, u)
	}

	open := b.store.block()
	done := make(chan error, 1)
	go func() {
		_, err := b.cache.Get(context.Background(), request("L", "R5", cordon.Isolated))
		done <- err
	}()
	other := b.open() // another process sees it too
	var making []workspace.Making
	for end := time.Now().Add(time.Minute); len(making) == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		making, err = other.Making()
		must(t, err)
	}
	if len(making) != 1 || making[0].What != "run R5 of target L" || making[0].Object < 3*mb || making[0].Arrived > making[0].Object/2 {
		t.Errorf("being made: %+v", making)
	}
	if s, err = other.Stats(); err != nil || s.Reservations != 1 || s.Reserved < 3*mb {
		t.Errorf("%+v, %v", s, err)
	}
	open()
	must(t, <-done)
	if making, err = other.Making(); err != nil || len(making) != 0 {
		t.Errorf("being made: %+v, %v", making, err)
	}
}
