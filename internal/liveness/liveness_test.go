package liveness_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/workspace"
)

func TestNobodyIsAskedAboutARunOfNoTemporal(t *testing.T) {
	t.Parallel()
	r := liveness.New(func(context.Context) (client.Client, error) {
		t.Error("a server was dialled")
		return nil, errors.New("none")
	}, nil)
	whole := workspace.Owner{Cluster: "c", Namespace: "n", WorkflowID: "w", FirstRunID: "f", RunID: "r"}
	noCluster, noNamespace, noWorkflow, noRun := whole, whole, whole, whole
	noCluster.Cluster, noNamespace.Namespace, noWorkflow.WorkflowID, noRun.RunID = "", "", "", ""
	fates := r.Fates(t.Context(), []workspace.Owner{{}, noCluster, noNamespace, noWorkflow, noRun})
	for i, want := range []string{"cluster id", "cluster id", "namespace", "workflow id", "run id"} {
		if f := fates[i]; f.State != unknown || f.Why == nil || !strings.Contains(f.Why.Error(), "has no "+want) {
			t.Errorf("without %s: %+v", want, f)
		}
	}
	if got := r.Fates(t.Context(), nil); len(got) != 0 {
		t.Errorf("of nobody: %+v", got)
	}
}

func TestAnotherTemporalsRunsAreNotAskedOfThisOne(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	foreign := workspace.Owner{Cluster: "another", Namespace: server().GetDefaultNamespace(), WorkflowID: "w", FirstRunID: "f", RunID: "f"}
	got := a.must(t, "a run of another cluster", foreign, unknown, "")
	if !strings.Contains(fmt.Sprint(got.Why), "another") || !strings.Contains(fmt.Sprint(got.Why), cluster(t)) {
		t.Errorf("%v does not name both", got.Why)
	}
	if a.calls[describe]+a.calls[list] != 0 {
		t.Errorf("it was asked for: %v", a.calls)
	}
}

func TestWhatTheServerDoesNotTellIsUnknown(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{TaskQueue: nobody}, "waits")
	good := owner(t, run.GetID(), run.GetRunID())
	elsewhere, wrong := good, good
	elsewhere.Namespace = "no such namespace"
	wrong.RunID = `' OR RunId != '`
	fates := a.Fates(t.Context(), []workspace.Owner{elsewhere, good, wrong, good})
	for i, want := range []workspace.RunState{unknown, open, unknown, open} {
		if f := fates[i]; f.State != want || (f.Why == nil) != (want == open) {
			t.Errorf("%d: %+v, want state %d", i, f, want)
		}
	}
	if !strings.Contains(fmt.Sprint(fates[0].Why), elsewhere.Namespace) {
		t.Errorf("%v does not name the namespace", fates[0].Why)
	}
}

// many starts n runs that no worker takes, terminates some, and waits until the
// visibility store has heard of all.
func many(t *testing.T, n, terminated int) []workspace.Owner {
	t.Helper()
	c := server().GetDefaultClient()
	kind := fmt.Sprintf("Many%d", time.Now().UnixNano())
	id := cluster(t)
	var owners []workspace.Owner
	for range n {
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: nobody}, kind)
		if err != nil {
			t.Fatal(err)
		}
		owners = append(owners, workspace.Owner{
			Cluster: id, Namespace: server().GetDefaultNamespace(), WorkflowID: run.GetID(), FirstRunID: run.GetRunID(), RunID: run.GetRunID(),
		})
	}
	for i := range terminated {
		if err := c.TerminateWorkflow(t.Context(), owners[i].WorkflowID, "", "a test"); err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool {
		count, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running'", kind),
		})
		if err != nil {
			t.Fatal(err)
		}
		return count.GetCount() == int64(n-terminated)
	}, "the visibility store does not hear of %d runs", n)
	return owners
}

func TestOpenRunsAreAskedAboutAHundredAtOnce(t *testing.T) {
	t.Parallel()
	const n, terminated = 300, 10
	owners := many(t, n, terminated)
	mustBe := func(t *testing.T, fates []workspace.Fate) {
		t.Helper()
		for i, f := range fates {
			if want := i < terminated; (f.State == over) != want || (f.State == open) == want {
				t.Fatalf("run %d: %+v", i, f)
			}
		}
	}
	t.Run("by the visibility store", func(t *testing.T) {
		a := newAsker(t, nil)
		mustBe(t, a.Fates(t.Context(), owners))
		if a.calls[list] != 3 || a.calls[describe] != terminated {
			t.Errorf("%d runs took the calls %v; want 3 of %s and %d of %s", n, a.calls, list, terminated, describe)
		}
		if a.most > 8 {
			t.Errorf("%d calls at once", a.most)
		}
	})
	t.Run("one by one without it", func(t *testing.T) {
		a := newAsker(t, map[string]func(context.Context) error{list: failing(codes.ResourceExhausted)})
		mustBe(t, a.Fates(t.Context(), owners))
		if a.calls[describe] != n || a.most > 8 {
			t.Errorf("%d runs took the calls %v, %d at once; want 8 at most", n, a.calls, a.most)
		}
	})
	t.Run("of a run that holds much, once", func(t *testing.T) {
		a := newAsker(t, nil)
		var same []workspace.Owner
		for range 50 {
			same = append(same, owners[terminated])
		}
		for i, f := range a.Fates(t.Context(), same) {
			if f.State != open {
				t.Errorf("%d: %+v", i, f)
			}
		}
		if a.calls[describe] != 1 {
			t.Errorf("the calls were %v", a.calls)
		}
	})
	t.Run("a server that fails in the middle is given up", func(t *testing.T) {
		a := newAsker(t, map[string]func(context.Context) error{list: failing(codes.Unavailable), describe: failing(codes.Unavailable)})
		for i, f := range a.Fates(t.Context(), owners) {
			if f.State != unknown || f.Why == nil {
				t.Fatalf("run %d: %+v", i, f)
			}
		}
		if a.calls[describe] > 20 {
			t.Errorf("it was asked again and again: %v", a.calls)
		}
	})
	t.Run("one run that cannot be told about keeps nobody else's fate back", func(t *testing.T) {
		a := newAsker(t, nil)
		wrong := owners[0]
		wrong.RunID = `' OR RunId != '`
		fates := a.Fates(t.Context(), append([]workspace.Owner{wrong}, owners...))
		if f := fates[0]; f.State != unknown || f.Why == nil {
			t.Errorf("of no run id: %+v", f)
		}
		mustBe(t, fates[1:])
		if a.calls[list] != 3 || a.calls[describe] != terminated+1 {
			t.Errorf("the calls were %v", a.calls)
		}
	})
}

func failing(code codes.Code) func(context.Context) error {
	return func(context.Context) error { return serviceerror.FromStatus(status.New(code, "a test")) }
}

// deaf accepts connections and says nothing on them.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestADeadServerHoldsNobodyUpAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	run := start(t, client.StartWorkflowOptions{TaskQueue: nobody}, "waits")
	o := owner(t, run.GetID(), run.GetRunID())
	for name, address := range map[string]string{"nobody listens": refusing(t), "nobody answers": deaf(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, dials := address, 0
			r := liveness.New(func(ctx context.Context) (client.Client, error) {
				dials++
				return client.DialContext(ctx, client.Options{HostPort: at, Namespace: o.Namespace, Logger: quiet{}})
			}, nil)
			began := time.Now()
			f := r.Fates(t.Context(), []workspace.Owner{o})[0]
			if f.State != unknown || f.Why == nil {
				t.Errorf("%+v", f)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("that took %v", took)
			}
			at = server().GetFrontendHostPort()
			for range 2 {
				if f := r.Fates(t.Context(), []workspace.Owner{o})[0]; f.State != open {
					t.Errorf("once the server is there: %+v", f)
				}
			}
			if dials != 2 {
				t.Errorf("dialled %d times", dials)
			}
		})
	}
	t.Run("it dies once it is dialled", func(t *testing.T) {
		t.Parallel()
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		a := newAsker(t, map[string]func(context.Context) error{list: hang, describe: hang})
		owners := []workspace.Owner{o}
		for i := range 100 {
			other := o
			other.WorkflowID = fmt.Sprint("other-", i)
			owners = append(owners, other)
		}
		began := time.Now()
		for _, f := range a.Fates(t.Context(), owners) {
			if f.State != unknown || f.Why == nil {
				t.Errorf("%+v", f)
			}
		}
		if took := time.Since(began); took > 40*time.Second { // a minute, were it not given up
			t.Errorf("that took %v", took)
		}
	})
}

func TestFatesEndsWithItsContext(t *testing.T) {
	t.Parallel()
	run := start(t, client.StartWorkflowOptions{TaskQueue: nobody}, "waits")
	o := owner(t, run.GetID(), run.GetRunID())
	ctx, cancel := context.WithCancel(t.Context())
	r := liveness.New(func(ctx context.Context) (client.Client, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil)
	if f := r.Fates(ctx, []workspace.Owner{o})[0]; f.State != unknown || !errors.Is(f.Why, context.Canceled) {
		t.Errorf("%+v", f)
	}
}
