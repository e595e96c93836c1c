package worker_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// metricName finds the metrics that are told of: in dashboards, rules and prose.
var metricName = regexp.MustCompile(`\b(cordon|temporal|process|go|promhttp)_[a-z0-9_]*[a-z0-9]\b`)

// named returns the metrics that a file names, as they are called where they are scraped.
func named(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	names := metricName.FindAllString(string(b), -1)
	slices.Sort(names)
	return slices.Compact(names)
}

// Whoever looks at the dashboard and waits for the alerts relies on names: each is one
// that a worker has after it has done a little of everything.
func TestEveryMetricOfTheDashboardAndTheAlertsExists(t *testing.T) {
	opts, _ := setup(t)
	opts.Verticals = []string{"secrets"}
	opts.Config.Metrics = "127.0.0.1:0"
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.txt": "x"})
	run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	id, err := cordon.ParseTargetID("project")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range cordon.Modes {
		r, err := cordon.ParseRunID("r-" + string(mode))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Cache().Get(t.Context(), workspace.Request{Target: id, Run: r, Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	// Activities that the run's own worker is given with a workflow task wait for nobody.
	elsewhere := sdkworker.New(server().GetDefaultClient(), "elsewhere", sdkworker.Options{})
	elsewhere.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: "secrets-queue", StartToCloseTimeout: time.Minute})
		return workflow.ExecuteActivity(ctx, "get_target", "project").Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "Elsewhere"})
	if err := elsewhere.Start(); err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Stop()
	r, err := server().GetDefaultClient().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "elsewhere"}, "Elsewhere")
	if err == nil {
		err = r.Get(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	scrape := func() (metrics map[string]bool, text string) {
		resp, err := http.Get("http://" + w.Metrics() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v", resp.Status, err)
		}
		metrics = map[string]bool{}
		for line := range strings.SplitSeq(string(b), "\n") {
			if name := metricName.FindString(line); name != "" && !strings.HasPrefix(line, "#") {
				metrics[name] = true
			}
		}
		return metrics, string(b)
	}
	var missing []string
	var text string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var metrics map[string]bool
		metrics, text = scrape()
		missing = nil
		for _, file := range []string{"deploy/monitoring/grafana.json", "deploy/monitoring/alerts.yaml", "docs/monitoring.md"} {
			for _, name := range named(t, file) {
				family := metrics[name+"_count"] || metrics[name+"_total"] // of a histogram, or a counter, as people write them
				if !metrics[name] && !(family && file == "docs/monitoring.md") && !strings.HasPrefix(name, "cordon_cache_disk_inodes") {
					missing = append(missing, file+": "+name)
				}
			}
		}
		if len(missing) == 0 {
			break
		}
	}
	if len(missing) > 0 {
		t.Errorf("a worker does not have\n  %s", strings.Join(missing, "\n  "))
	}
	if id := w.Cache().HostID(); strings.Contains(text, id) {
		t.Errorf("a metric holds the host's id %s", id)
	}
	if strings.Contains(text, "project") {
		t.Error("a metric holds the target's id")
	}
	// And what a worker has is told of.
	told := named(t, "docs/monitoring.md")
	metrics, _ := scrape()
	for name := range metrics {
		name = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "cordon_") && !slices.Contains(told, name) {
			t.Errorf("docs/monitoring.md does not tell of %s", name)
		}
	}
}
