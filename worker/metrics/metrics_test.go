package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/worker/metrics"
	"github.com/cordonlabs/cordon/workspace"
)

func open() *metrics.Metrics { return metrics.New("1.2.3", slog.New(slog.DiscardHandler)) }

// scrape returns what Prometheus gets.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, body, err)
	}
	return string(body)
}

func mustSay(t *testing.T, m *metrics.Metrics, lines ...string) {
	t.Helper()
	text := "\n" + scrape(t, m)
	for _, l := range lines {
		if !strings.Contains(text, "\n"+l+"\n") {
			name, _, _ := strings.Cut(strings.ReplaceAll(l, " ", "{"), "{")
			var near []string
			for line := range strings.SplitSeq(text, "\n") {
				if strings.HasPrefix(line, name) {
					near = append(near, line)
				}
			}
			t.Errorf("want %s, and there is\n%s", l, strings.Join(near, "\n"))
		}
	}
}

func TestWhatACacheTellsIsCounted(t *testing.T) {
	m := open()
	o := m.Observer()
	work := func(w workspace.Work, d workspace.Done) {
		_, done := o.Begin(t.Context(), w)
		done(d)
	}
	work(workspace.Work{Kind: workspace.WorkGet, Mode: cordon.Shared}, workspace.Done{Hit: true})
	work(workspace.Work{Kind: workspace.WorkGet, Mode: cordon.CopyOnWrite}, workspace.Done{Driver: "overlay"})
	work(workspace.Work{Kind: workspace.WorkGet, Mode: "made up"}, workspace.Done{Err: &cordon.Error{Kind: cordon.NoSpace}})
	work(workspace.Work{Kind: workspace.WorkGet, Mode: cordon.Shared}, workspace.Done{Err: fmt.Errorf("get: %w", context.Canceled)})
	work(workspace.Work{Kind: workspace.WorkGet, Mode: cordon.Shared}, workspace.Done{Err: errors.New("the disk")})
	_, fetched := o.Begin(t.Context(), workspace.Work{Kind: workspace.WorkDownload})
	o.Arrived(1000)
	o.Gone(workspace.Gone{Kind: workspace.KindShared, Cause: workspace.ForLimit, Bytes: 500})
	mustSay(t, m,
		`cordon_cache_hits_total{mode="shared"} 1`, `cordon_cache_misses_total{mode="copy-on-write"} 1`, `cordon_cache_misses_total{mode="shared"} 0`,
		`cordon_workspaces_acquired_total{driver="overlay",mode="copy-on-write"} 1`, `cordon_workspaces_acquired_total{driver="none",mode="shared"} 1`,
		`cordon_workspace_failures_total{type="NoSpace"} 1`, `cordon_workspace_failures_total{type="cancelled"} 1`, `cordon_workspace_failures_total{type="StorageUnavailable"} 1`,
		`cordon_workspace_get_duration_seconds_count{mode="none",result="failed"} 1`,
		`cordon_fetches_in_progress 1`, `cordon_fetch_bytes_total 1000`,
		`cordon_cache_removals_total{cause="limit",kind="shared"} 1`, `cordon_cache_removed_bytes_total{cause="limit",kind="shared"} 500`,
	)
	fetched(workspace.Done{Err: errors.New("broke off")})
	mustSay(t, m, `cordon_fetches_in_progress 0`, `cordon_fetch_duration_seconds_count{result="failed"} 1`)
}

func TestWhatIsInACacheIsToldAndNotCountedAtEachScrape(t *testing.T) {
	m := open()
	asked := 0
	var fail error
	m.Cache(func() (workspace.Stats, error) {
		asked++
		return workspace.Stats{MaxSize: 10, Holds: 3, Entries: map[workspace.Class]workspace.Sum{{Kind: workspace.KindRun, Mode: cordon.Isolated}: {Entries: 2, Bytes: 8}}}, fail
	})
	mustSay(t, m, `cordon_cache_counted 1`, `cordon_cache_limit_bytes 10`, `cordon_cache_holds 3`, `cordon_cache_entries{kind="run",mode="isolated"} 2`,
		`cordon_cache_bytes{kind="run",mode="isolated"} 8`, `cordon_cache_entries{kind="shared",mode=""} 0`)
	scrape(t, m)
	if asked != 1 {
		t.Errorf("the cache was asked %d times", asked)
	}
	if strings.Contains(scrape(t, m), "cordon_cache_disk_inodes") {
		t.Error("inodes of a file system that has no number of them")
	}

	m = open()
	m.Cache(func() (workspace.Stats, error) { return workspace.Stats{}, errors.New("the disk is gone") })
	mustSay(t, m, `cordon_cache_counted 0`)
	if strings.Contains(scrape(t, m), "cordon_cache_holds ") {
		t.Error("holds of a cache that cannot be looked into")
	}
}

func TestToolsAndFuzzersAreCounted(t *testing.T) {
	m := open()
	ended := m.Tool(t.Context(), sandbox.Full)
	mustSay(t, m, `cordon_sandboxes_in_progress 1`)
	ended(sandbox.Result{Limit: "memory", CPU: 1500 * time.Millisecond})
	m.Tool(t.Context(), sandbox.Full)(sandbox.Result{ExitCode: 1})
	mustSay(t, m, `cordon_sandboxes_in_progress 0`, `cordon_sandboxes_total{result="memory",tier="full"} 1`, `cordon_sandboxes_total{result="failed",tier="full"} 1`, `cordon_sandbox_cpu_seconds_total 1.5`)

	m.FuzzEngine("go")
	mustSay(t, m, `cordon_fuzz_executions_total{engine="go"} 0`)
	live := func(executions int64, bugs int) (l fuzz.Live) {
		l.Engine, l.Executions, l.Bugs = "go", executions, bugs
		return l
	}
	told, end := m.Fuzzer(live(1000, 1)) // of an earlier attempt, which counted them
	told(live(0, 0))                     // it begins anew
	told(live(1500, 2))
	told(live(2500, 2))
	mustSay(t, m, `cordon_fuzzers{engine="go"} 1`, `cordon_fuzz_executions_total{engine="go"} 1500`, `cordon_fuzz_crashes_total{engine="go"} 1`)
	end()
	mustSay(t, m, `cordon_fuzzers{engine="go"} 0`)

	m.Swept(workspace.SweepReport{Removals: make([]workspace.Removal, 3), Deferred: make([]workspace.Removal, 1), Freed: 7})
	m.Swept(workspace.SweepReport{Busy: true})
	mustSay(t, m, `cordon_sweep_removals_total 3`, `cordon_sweep_deferred 1`, `cordon_sweep_freed_bytes_total 7`)
}

func TestTheSDKsMetricsHaveTheNamesOfItsDocumentation(t *testing.T) {
	m := open()
	h := m.SDK().WithTags(map[string]string{"namespace": "default", "task_queue": "python-queue@l4froiycjnmwbfyw"})
	h.Counter("temporal_request").Inc(2)
	h.WithTags(map[string]string{"activity-type": "get\xfftarget"}).Counter("temporal_request").Inc(1) // the same name with other tags
	h.Timer("temporal_activity_execution_latency").Record(time.Second)
	h.Gauge("temporal_worker_task_slots_used").Update(3)
	h.Counter("cordon_cleanups").Inc(1)
	mustSay(t, m,
		`temporal_request_total{namespace="default",task_queue="python-queue@host"} 2`,
		`temporal_request_total{activity_type="get�target",namespace="default",task_queue="python-queue@host"} 1`,
		`temporal_activity_execution_latency_seconds_count{namespace="default",task_queue="python-queue@host"} 1`,
		`temporal_worker_task_slots_used{namespace="default",task_queue="python-queue@host"} 3`,
		`cordon_cleanups_total{namespace="default",task_queue="python-queue@host"} 1`,
	)
}

func TestWhatCallersMakeUpDoesNotFillTheMemory(t *testing.T) {
	m := open()
	for i := range 5000 {
		m.SDK().WithTags(map[string]string{"activity_type": fmt.Sprint("a", i)}).Counter("temporal_request").Inc(1)
	}
	text := scrape(t, m)
	if n := strings.Count(text, "\ntemporal_request_total{"); n > 501 {
		t.Errorf("%d series of one metric", n)
	}
	mustSay(t, m, `temporal_request_total{activity_type="other"} 4500`)
}

func TestNamesFollowPrometheusRules(t *testing.T) {
	m := open()
	m.Cache(func() (workspace.Stats, error) { return workspace.Stats{InodesTotal: 1}, nil })
	m.Ready(func() bool { return true })
	problems, err := promlint.New(strings.NewReader(scrape(t, m))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "cordon_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}
