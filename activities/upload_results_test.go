package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// CONTRACT §1.5.
func TestUploadResultsStoresTheObject(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const object = `{"z":1,"a":{"list":[1,2],"empty":{}},"big":12345678901234567890,"text":"<&>é"}`
	const indented = `{
  "z": 1,
  "a": {
    "list": [
      1,
      2
    ],
    "empty": {}
  },
  "big": 12345678901234567890,
  "text": "<&>é"
}`
	for _, tc := range []struct {
		name string
		args []arg
		file string
	}{
		{"json is the default", []arg{text("w1"), {Data: object}}, "w1/results.json"},
		{"json is named", []arg{text("w2"), {Data: object}, text("json")}, "w2/results.json"},
		{"sarif has a name of its own", []arg{text("w3"), {Data: object}, text("sarif")}, "w3/results.sarif"},
		{"any other format is json", []arg{text("w4"), {Data: object}, text("xml")}, "w4/results.json"},
		{"null is the default, and more arguments are ignored", []arg{text("w5"), {Data: object}, null, text("x")}, "w5/results.json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _, err := h.call(activities.UploadResultsName, tc.args...)
			url := h.path(a, err)
			file := filepath.Join(h.root, "results", tc.file)
			if !strings.HasSuffix(url, "/results/"+tc.file) {
				t.Errorf("the URL is %s", url)
			}
			body, err := os.ReadFile(file)
			if err != nil || string(body) != indented {
				t.Errorf("%s holds %q (%v), want the object indented by two spaces", file, body, err)
			}
		})
	}
	for _, tc := range []struct {
		name string
		args []arg
		says string
	}{
		{"no argument", nil, "workflow_id is missing"},
		{"no results", []arg{text("w")}, "results is missing"},
		{"results that are null", []arg{text("w"), null}, "results is missing"},
		{"results that are a list", []arg{text("w"), {Data: "[1]"}}, "results is an array, not an object"},
		{"results that are text", []arg{text("w"), text("x")}, "results is a string"},
		{"results that are broken JSON", []arg{text("w"), {Data: "{"}}, "results is not well-formed JSON"},
		{"a workflow id that is a number", []arg{{Data: "1"}, {Data: object}}, "workflow_id is a number"},
		{"a format that is a number", []arg{text("w"), {Data: object}, {Data: "1"}}, "results_format is a number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := h.call(activities.UploadResultsName, tc.args...)
			app := failed(t, err)
			if app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable() || !strings.Contains(app.Message(), tc.says) {
				t.Errorf("got %s %q, want InvalidArgument that says %q", app.Type(), app.Message(), tc.says)
			}
		})
	}
}

// hangingResults is a store that takes an upload and never ends it.
type hangingResults struct {
	refusingResults
	begun, ended chan struct{}
}

func (r hangingResults) PutResult(ctx context.Context, _, _ string, _ []byte) (string, error) {
	close(r.begun)
	<-ctx.Done()
	close(r.ended)
	return "", context.Cause(ctx)
}

// CONTRACT §7, row 13: a store that hangs keeps neither a cancelled run nor a worker that stops.
func TestAnUploadThatHangsEndsWithItsRunAndItsWorker(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*house, client.WorkflowRun){
		"the run is cancelled": func(h *house, run client.WorkflowRun) {
			if err := h.client.CancelWorkflow(context.Background(), run.GetID(), run.GetRunID()); err != nil {
				h.t.Error(err)
			}
		},
		"the worker stops": func(h *house, _ client.WorkflowRun) { h.acts.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := hangingResults{begun: make(chan struct{}), ended: make(chan struct{})}
			h := open(t, options{results: results})
			run := h.start("CallWorkflow", nil, call{Activity: activities.UploadResultsName, Args: []arg{text("w"), {Data: "{}"}}, Timeout: 2 * time.Minute, Attempts: 1})
			<-results.begun
			stop(h, run)
			select {
			case <-results.ended:
			case <-time.After(20 * time.Second): // four times what it may take, for a busy machine
				t.Error("the upload goes on")
			}
			if err := h.wait(run, nil); err == nil {
				t.Error("the run succeeded")
			}
		})
	}
}

// refusingResults fails as a store whose bucket may not be written does.
type refusingResults struct{ kind cordon.Kind }

func (r refusingResults) PutResult(context.Context, string, string, []byte) (string, error) {
	return "", &cordon.Error{Kind: r.kind, Op: "put result", Err: errors.New("no such bucket: results"), Fix: "make the bucket"}
}

func (r refusingResults) GetResult(context.Context, string, string) ([]byte, error) {
	return nil, errors.New("not used")
}

// CONTRACT §1.5: callers set no limit to their retries, and would wait for ever.
func TestUploadResultsToAMissingBucketIsNotRetried(t *testing.T) {
	t.Parallel()
	for _, kind := range []cordon.Kind{cordon.TargetNotFound, cordon.PermissionDenied} {
		t.Run(string(kind), func(t *testing.T) {
			h := open(t, options{results: refusingResults{kind}})
			_, _, err := h.call(activities.UploadResultsName, text("w"), arg{Data: "{}"})
			if app := failed(t, err); app.Type() != string(kind) || !app.NonRetryable() {
				t.Errorf("got %s %q", app.Type(), app.Message())
			}
		})
	}
}
