package traces_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/worker/traces"
	"github.com/cordonlabs/cordon/workspace"
)

// collector answers what the test says, and keeps what it took.
type collector struct {
	*httptest.Server
	answer func(w http.ResponseWriter, asked int) // nil: 200

	mu     sync.Mutex
	asked  int
	spans  []*tracepb.Span
	header http.Header
}

func newCollector(t *testing.T, answer func(w http.ResponseWriter, asked int)) *collector {
	c := unstarted(t, answer)
	c.Start()
	return c
}

// unstarted returns a collector that does not listen yet.
func unstarted(t *testing.T, answer func(w http.ResponseWriter, asked int)) *collector {
	t.Helper()
	c := &collector{answer: answer}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked++
		c.header = r.Header
		var request collectorpb.ExportTraceServiceRequest
		from := io.Reader(r.Body)
		var err error
		if r.Header.Get("Content-Encoding") == "gzip" {
			from, err = gzip.NewReader(r.Body)
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(from)
		}
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil {
			t.Error(err)
		}
		code := http.StatusOK
		if c.answer != nil {
			taken := httptest.NewRecorder()
			c.answer(taken, c.asked)
			for name, values := range taken.Header() {
				w.Header()[name] = values
			}
			code = taken.Code
			w.WriteHeader(code)
			_, _ = w.Write(taken.Body.Bytes())
		}
		if code == http.StatusOK {
			for _, of := range request.GetResourceSpans() {
				for _, scope := range of.GetScopeSpans() {
					c.spans = append(c.spans, scope.GetSpans()...)
				}
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) took() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans
}

// begin returns traces that go to c, and their log.
func (c *collector) begin(t *testing.T, env map[string]string) (*traces.Traces, *bytes.Buffer) {
	t.Helper()
	cfg, err := config.FromEnv(func(name string) string {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return c.URL
		}
		return env[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer // read after Stop alone
	tr := traces.New(traces.Options{Config: cfg.Traces, Version: "1.2.3", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(tr.Stop)
	return tr, &log
}

// work makes a span.
func work(tr *traces.Traces, err error) {
	_, done := tr.Observer().Begin(context.Background(), workspace.Work{Kind: workspace.WorkSweep})
	done(workspace.Done{Err: err})
}

// A collector that only those know whom it knows gets spans, compressed.
func TestACollectorIsTrustedAndTrusts(t *testing.T) {
	t.Parallel()
	c := unstarted(t, nil)
	c.EnableHTTP2 = true
	c.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	c.StartTLS()
	dir := t.TempDir()
	file := func(name, kind string, of []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: of}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := c.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := file("cert.pem", "CERTIFICATE", pair.Certificate[0])
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_CERTIFICATE": cert, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": cert, "OTEL_EXPORTER_OTLP_CLIENT_KEY": file("key.pem", "PRIVATE KEY", key),
	}
	tr, log := c.begin(t, env)
	work(tr, nil)
	tr.Stop()
	if n := len(c.took()); n != 1 || c.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("it took %d spans, with %v; the log: %s", n, c.header, log)
	}

	delete(env, "OTEL_EXPORTER_OTLP_CERTIFICATE")
	tr, log = c.begin(t, env)
	work(tr, nil)
	tr.Stop()
	if n := len(c.took()); n != 1 || !strings.Contains(log.String(), "unknown authority") {
		t.Errorf("from somebody who does not know it, it took %d spans; the log: %s", n-1, log)
	}
}

func TestWhatACollectorDoesNotTakeNowIsSentAgain(t *testing.T) {
	t.Parallel()
	c := newCollector(t, func(w http.ResponseWriter, asked int) {
		if asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	tr, log := c.begin(t, nil)
	const spans = 600 // more than are sent at once
	for range spans {
		work(tr, nil)
	}
	for end := time.Now().Add(time.Minute); len(c.took()) < spans && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	tr.Stop()
	if n := len(c.took()); n != spans {
		t.Errorf("%d spans arrived, want %d", n, spans)
	}
	if got := log.String(); !strings.Contains(got, "does not take spans") || !strings.Contains(got, "503") || !strings.Contains(got, "takes spans again") {
		t.Errorf("the log says:\n%s", got)
	}
}

func TestWhatACollectorRefusesIsLostAndTold(t *testing.T) {
	partial, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "too long a name"}})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := newCollector(t, nil)
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, asked int)
		says   []string
	}{
		"all of it":    {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusUnauthorized) }, []string{"401", "lost=2"}},
		"a part of it": {func(w http.ResponseWriter, _ int) { _, _ = w.Write(partial) }, []string{"too long a name", "lost=1"}},
		"and knows another one": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, []string{"307", "lost=2"}},
		"with words of no sense": {func(w http.ResponseWriter, _ int) { _, _ = w.Write([]byte{0xff, 0xff}) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			to := newCollector(t, c.answer)
			tr, log := to.begin(t, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20hunter2,x-tenant=a"})
			work(tr, nil)
			work(tr, nil)
			tr.Stop()
			if to.asked != 1 || to.header.Get("Authorization") != "Basic hunter2" || to.header.Get("X-Tenant") != "a" {
				t.Errorf("asked %d times, with %v", to.asked, to.header)
			}
			for _, want := range c.says {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log should say %q:\n%s", want, log)
				}
			}
			if strings.Contains(log.String(), "hunter2") || c.says == nil && log.Len() > 0 {
				t.Errorf("the log says too much:\n%s", log)
			}
		})
	}
	if elsewhere.asked != 0 {
		t.Error("the credentials went where the collector pointed")
	}
}

// 2,048 spans wait, as with OpenTelemetry's SDKs; the others are counted.
func TestSpansDoNotPileUp(t *testing.T) {
	t.Parallel()
	c := newCollector(t, nil)
	c.Close()
	tr, log := c.begin(t, nil)
	for range 2100 {
		work(tr, nil)
	}
	tr.Stop()
	work(tr, nil) // after the end
	// What was told of before is not told again.
	if got := log.String(); !strings.Contains(got, "waiting=2048") && !strings.Contains(got, "spans=2100") {
		t.Errorf("the log says:\n%s", got)
	}
}

func TestTracesThatAreOffDoNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	off := traces.New(traces.Options{})
	if off != nil || off.Observer() != nil {
		t.Error("without a collector there are traces")
	}
	off.Stop()
	on := traces.New(traces.Options{Config: config.Traces{Endpoint: "http://127.0.0.1:1/v1/traces"}, Logger: slog.Default()})
	on.Stop()
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, %d before", now, before)
	}
}

func TestTheSamplerSaysWhichTracesThereAre(t *testing.T) {
	const roots = 1000
	for sampler, want := range map[string]struct{ least, most int }{
		"": {roots, roots}, "always_on": {roots, roots}, "parentbased_always_off": {0, 0},
		// Of 1,000 with a chance of 0.3 each, fewer than 200 or more than 400 are once in 10^10 times.
		"traceidratio": {200, 400}, "parentbased_traceidratio": {200, 400},
	} {
		t.Run(sampler, func(t *testing.T) {
			t.Parallel()
			c := newCollector(t, nil)
			tr, _ := c.begin(t, map[string]string{"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.3"})
			o := tr.Observer()
			for range roots {
				ctx, done := o.Begin(context.Background(), workspace.Work{Kind: workspace.WorkSweep})
				_, inner := o.Begin(ctx, workspace.Work{Kind: workspace.WorkFetch})
				inner(workspace.Done{})
				done(workspace.Done{})
			}
			tr.Stop()
			traces := map[string]int{}
			for _, s := range c.took() {
				traces[string(s.GetTraceId())]++
			}
			if n := len(traces); n < want.least || n > want.most {
				t.Errorf("%d traces of %d, want %d to %d", n, roots, want.least, want.most)
			}
			for id, n := range traces {
				if n != 2 {
					t.Errorf("the trace %x has %d spans: a part of it is missing", id, n)
				}
			}
		})
	}
}

func TestAnErrorIsNamedByItsKindAndHoldsNoCredential(t *testing.T) {
	c := newCollector(t, nil)
	tr, _ := c.begin(t, nil)
	work(tr, &cordon.Error{Kind: cordon.StorageUnavailable, Op: "download", Name: "T",
		Err: errors.New(`Get "https://key:hunter2@minio:9000/targets/T?X-Amz-Signature=hunter2&X-Amz-Date=1": EOF`)})
	work(tr, fmt.Errorf("sweep: %w", context.Canceled))
	work(tr, errors.New(strings.Repeat("é", 5000)+"\xff"))
	ended := tr.Command(context.Background(), sandbox.Full)
	ended(sandbox.Result{ExitCode: 1})
	tr.Stop()
	if len(c.took()) != 4 {
		t.Fatalf("%d spans arrived", len(c.took()))
	}
	failed, cancelled, long, command := c.took()[0], c.took()[1], c.took()[2], c.took()[3]
	if m := failed.GetStatus().GetMessage(); !strings.HasPrefix(m, "StorageUnavailable: ") || strings.Contains(m, "hunter2") || !strings.Contains(m, "minio:9000/targets/T") {
		t.Errorf("the failure is told as %v", failed)
	}
	if cancelled.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("a cancellation is told as a failure: %v", cancelled)
	}
	if m := long.GetStatus().GetMessage(); len(m) > 1100 || !strings.HasPrefix(m, "error: éé") {
		t.Errorf("an error of 10 kB has %d bytes: %.50s", len(m), m)
	}
	if command.GetName() != "cordon.command" || command.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET || !strings.Contains(command.String(), "cordon.exit_code") {
		t.Errorf("a command is told as %v", command)
	}
}
