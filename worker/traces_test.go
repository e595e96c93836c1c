package worker_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/worker/traces"
)

// collector is what takes spans, as OpenTelemetry's own does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []got
}

// got is a span as it arrived.
type got struct {
	*tracepb.Span
	by map[string]string // the resource
	is map[string]string
}

func said(attributes []*commonpb.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			m[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			m[a.GetKey()] = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_BoolValue:
			m[a.GetKey()] = fmt.Sprint(v.BoolValue)
		}
	}
	return m
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request collectorpb.ExportTraceServiceRequest
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				for _, s := range scope.GetSpans() {
					c.spans = append(c.spans, got{s, said(of.GetResource().GetAttributes()), said(s.GetAttributes())})
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// arrived returns what has arrived of the names.
func (c *collector) arrived(names ...string) []got {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []got
	for _, s := range c.spans {
		if len(names) == 0 || slices.Contains(names, s.GetName()) {
			out = append(out, s)
		}
	}
	return out
}

// traced makes opts those of a worker whose environment says so of traces.
func traced(t *testing.T, opts worker.Options, env map[string]string) worker.Options {
	t.Helper()
	cfg, err := config.FromEnv(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	opts.Config.Traces = cfg.Traces
	return opts
}

const (
	tracedFlow  = "TracedFlow"
	tracedQueue = "traced-queue"
)

// flow gets each target in its mode, waits for a signal if it is told to, and cleans up.
func flow(ctx workflow.Context, wait bool, targets, modes []string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: "python-queue", StartToCloseTimeout: time.Minute})
	var paths []string
	for i, id := range targets {
		var path string
		if err := workflow.ExecuteActivity(ctx, activities.GetTargetName, id, "", modes[i]).Get(ctx, &path); err != nil {
			return err
		}
		paths = append(paths, path)
	}
	if wait {
		workflow.GetSignalChannel(ctx, "go on").Receive(ctx, nil)
	}
	for _, path := range paths {
		if err := workflow.ExecuteActivity(ctx, activities.CleanupCacheName, path).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// dialTraced returns a client that says of what it does what tr says.
func dialTraced(t *testing.T, opts worker.Options, tr *traces.Traces, more ...interceptor.ClientInterceptor) client.Client {
	t.Helper()
	o := tr.Client(opts.Temporal)
	o.Logger = nopLogger{}
	o.Interceptors = append(o.Interceptors, more...)
	c, err := client.Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// offerFlow runs flow on a queue of its own, traced by tr, until stop is called.
func offerFlow(t *testing.T, c client.Client) (stop func()) {
	t.Helper()
	w := sdkworker.New(c, tracedQueue, sdkworker.Options{})
	w.RegisterWorkflowWithOptions(flow, workflow.RegisterOptions{Name: tracedFlow})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(w.Stop)
	t.Cleanup(stop)
	return stop
}

// tree is spans with their names from the root on.
func tree(t *testing.T, spans []got) map[string]got {
	t.Helper()
	byID := map[string]got{}
	for _, s := range spans {
		if _, twice := byID[string(s.GetSpanId())]; twice {
			t.Errorf("%s was told twice", s.GetName())
		}
		byID[string(s.GetSpanId())] = s
	}
	paths := map[string]got{}
	for _, s := range spans {
		path, at := s.GetName(), s
		for len(at.GetParentSpanId()) > 0 {
			above, ok := byID[string(at.GetParentSpanId())]
			if !ok {
				path = "?/" + path
				break
			}
			path, at = above.GetName()+"/"+path, above
		}
		if id := s.is["cordon.target_id"]; id != "" {
			path += " of " + id
		}
		paths[path] = s
	}
	return paths
}

func TestATraceLeadsFromTheClientToTheExtraction(t *testing.T) {
	to := newCollector(t)
	opts, _ := setup(t)
	opts = traced(t, opts, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL + "/", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20bed"})
	w := start(t, opts)
	files := map[string]string{"a.py": "print(1)\n", "b/c.py": strings.Repeat("#", 100_000)}
	put(t, w, "cow", files)
	put(t, w, "own", files)

	flows := traces.New(traces.Options{Config: opts.Config.Traces, Service: "flows", Logger: opts.Logger})
	stopFlow := offerFlow(t, dialTraced(t, opts, flows))

	// The client is somebody else's, with OpenTelemetry's SDK and Temporal's interceptor for it.
	theirs := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(theirs))
	intercept, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: provider.Tracer("theirs")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := dialTraced(t, opts, nil, intercept).ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: tracedQueue}, tracedFlow,
		false, []string{"cow", "own"}, []string{"copy-on-write", "isolated"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	host := w.Cache().HostID()
	stopFlow()
	flows.Stop()
	w.Stop()

	starts := theirs.GetSpans()
	if len(starts) != 1 {
		t.Fatalf("the client has %d spans", len(starts))
	}
	trace, above := starts[0].SpanContext.TraceID().String(), starts[0].SpanContext.SpanID().String()
	var ours []got
	for _, s := range to.arrived() {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			ours = append(ours, s)
		}
	}
	all := tree(t, ours)
	const run = "?/RunWorkflow:" + tracedFlow
	const get = run + "/StartActivity:get_target/RunActivity:get_target/cordon.get"
	const cleanup = run + "/StartActivity:cleanup_cache/RunActivity:cleanup_cache"
	ids := map[string]string{"temporalWorkflowID": r.GetID(), "temporalRunID": r.GetRunID()}
	for path, is := range map[string]map[string]string{
		run: ids,
		run + "/StartActivity:get_target/RunActivity:get_target": ids,
		get + " of cow":                              {"cordon.mode": "copy-on-write", "cordon.run_id": r.GetRunID(), "temporalWorkflowID": r.GetID(), "cordon.hit": "false"},
		get + "/cordon.fetch of cow":                 {"cordon.run_id": r.GetRunID()},
		get + "/cordon.fetch/cordon.download of cow": {},
		get + "/cordon.fetch/cordon.extract of cow":  {},
		get + "/cordon.view of cow":                  {},
		get + " of own":                              {"cordon.mode": "isolated"},
		get + "/cordon.fetch/cordon.download of own": {},
		get + "/cordon.fetch/cordon.extract of own":  {},
		cleanup:                     ids,
		cleanup + "/cordon.cleanup": {"cordon.outcome": "removed", "cordon.run_id": r.GetRunID(), "temporalWorkflowID": r.GetID()},
	} {
		s, ok := all[path]
		if !ok {
			t.Errorf("there is no span %s", path)
			continue
		}
		for name, want := range is {
			if s.is[name] != want {
				t.Errorf("%s: %s is %q, want %q", path, name, s.is[name], want)
			}
		}
		if s.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
			t.Errorf("%s: %v", path, s.GetStatus())
		}
		service := "cordon-worker"
		if path == run {
			service = "flows"
		} else if s.GetKind() != tracepb.Span_SPAN_KIND_CLIENT && s.by["host.id"] != host {
			t.Errorf("%s is on %v, want the host %s", path, s.by, host)
		}
		if s.by["deployment.environment.name"] != "test bed" || s.GetKind() != tracepb.Span_SPAN_KIND_CLIENT && s.by["service.name"] != service {
			t.Errorf("%s is of %v", path, s.by)
		}
	}
	if t.Failed() {
		for path := range all {
			t.Log(path)
		}
	}
	if s := all[run]; hex.EncodeToString(s.GetParentSpanId()) != above {
		t.Errorf("the workflow is below %x, want the client's %s", s.GetParentSpanId(), above)
	}
	if n := all[get+"/cordon.fetch/cordon.download of cow"].is["cordon.bytes"]; len(n) < 6 {
		t.Errorf("%s bytes were downloaded", n)
	}
	if all[get+" of cow"].is["cordon.driver"] == "" || all[get+" of cow"].is["cordon.driver"] != all[get+"/cordon.view of cow"].is["cordon.driver"] {
		t.Errorf("the drivers are %v and %v", all[get+" of cow"].is, all[get+"/cordon.view of cow"].is)
	}
	for path, s := range all {
		if parent, ok := all[strings.TrimSuffix(path, "/"+s.GetName())]; ok && (s.GetStartTimeUnixNano() < parent.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano()) {
			t.Errorf("%s begins before what it is a part of, or ends before it begins", path)
		}
	}
}

// A workflow that leaves the memory of its worker and is replayed has one span, and all
// that it did is below that.
func TestAReplayedWorkflowHasOneSpan(t *testing.T) {
	to := newCollector(t)
	opts, _ := setup(t)
	opts = traced(t, opts, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": to.URL + "/v1/traces"})
	w := start(t, opts)
	put(t, w, "T", map[string]string{"a": "a"})
	flows := traces.New(traces.Options{Config: opts.Config.Traces, Logger: opts.Logger})
	c := dialTraced(t, opts, flows)
	stopFlow := offerFlow(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	untraced := server().GetDefaultClient()
	r, err := untraced.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: tracedQueue}, tracedFlow, true, []string{"T"}, []string{"shared"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the workflow has its target", func() bool {
		entries, err := w.Cache().Entries()
		return err == nil && len(entries) == 1
	})
	stopFlow()
	sdkworker.PurgeStickyWorkflowCache()
	stopFlow = offerFlow(t, c) // another worker
	if err := untraced.SignalWorkflow(ctx, r.GetID(), "", "go on", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	stopFlow()
	flows.Stop()
	w.Stop()

	runs := to.arrived("RunWorkflow:" + tracedFlow)
	if len(runs) != 1 {
		t.Fatalf("%d spans are of the workflow, want 1", len(runs))
	}
	if len(runs[0].GetParentSpanId()) != 0 {
		t.Errorf("nobody passed a trace on, and it is below %x", runs[0].GetParentSpanId())
	}
	for _, name := range []string{"StartActivity:get_target", "StartActivity:cleanup_cache"} {
		steps := to.arrived(name)
		if len(steps) != 1 || string(steps[0].GetParentSpanId()) != string(runs[0].GetSpanId()) || string(steps[0].GetTraceId()) != string(runs[0].GetTraceId()) {
			t.Errorf("%s is %v, want one below %x", name, steps, runs[0].GetSpanId())
		}
	}
}

func TestAFailureIsOnItsSpanAndNotThatOfOthers(t *testing.T) {
	to := newCollector(t)
	opts, _ := setup(t)
	opts = traced(t, opts, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL})
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "print(1)\n"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := server().GetDefaultClient().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "secrets-queue"}, "SecretDetectionWorkflow", "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Get(ctx, nil); err == nil {
		t.Fatal("there is such a target")
	}
	run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	until(t, "the watch of the workspace has been cancelled", func() bool { return len(to.arrived("RunActivity:watch_workspace")) == 1 })
	w.Stop()
	if s := to.arrived("RunActivity:watch_workspace")[0]; s.is["cordon.cancelled"] != "true" {
		t.Errorf("the watch says %v", s.is)
	}
	failed := map[string]string{}
	for _, s := range to.arrived() {
		if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			failed[s.GetName()] = s.is["error.type"]
			if !strings.Contains(s.GetStatus().GetMessage(), "nowhere") {
				t.Errorf("%s says %q", s.GetName(), s.GetStatus().GetMessage())
			}
		}
	}
	want := map[string]string{"cordon.get": "TargetNotFound", "RunActivity:acquire_workspace": "TargetNotFound", "RunWorkflow:SecretDetectionWorkflow": "TargetNotFound"}
	if fmt.Sprint(failed) != fmt.Sprint(want) {
		t.Errorf("failed are %v, want %v", failed, want)
	}
}

func TestNothingIsTracedWhereTracesAreOff(t *testing.T) {
	to := newCollector(t)
	opts, _ := setup(t)
	opts = traced(t, opts, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL, "OTEL_TRACES_EXPORTER": "none"})
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "print(1)\n"})
	_, _, r := run(t, "secrets", "SecretDetectionWorkflow", nil, "project")
	events := server().GetDefaultClient().GetWorkflowHistory(t.Context(), r.GetID(), r.GetRunID(), false, 0)
	scheduled := 0
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled++
			if len(a.GetHeader().GetFields()) > 0 {
				t.Errorf("%s has the header %v", a.GetActivityType().GetName(), a.GetHeader())
			}
		}
	}
	w.Stop()
	if got := to.arrived(); len(got) > 0 || scheduled < 3 {
		t.Errorf("%d spans of %d activities arrived, want none of 3 or more", len(got), scheduled)
	}
}

// A collector that takes the connection and says nothing is the worst there is.
func TestACollectorThatNeverAnswersHoldsNobodyUp(t *testing.T) {
	hole, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hole.Close() })
	opts, log := setup(t)
	opts = traced(t, opts, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + hole.Addr().String()})
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "print(1)\n"})
	if result, _, _ := run(t, "secrets", "SecretDetectionWorkflow", nil, "project"); result.Status != activities.Completed {
		t.Errorf("the run is %s", result.Status)
	}
	began := time.Now()
	w.Stop()
	// 5 s for activities, 2 s for spans, and as much again for a machine that is busy.
	if took := time.Since(began); took > 14*time.Second {
		t.Errorf("the worker took %v to stop", took)
	}
	if !strings.Contains(log.String(), "spans did not reach the collector of traces and are lost") {
		t.Errorf("nothing is said of it:\n%s", log)
	}
}
