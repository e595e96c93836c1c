package doctor_test

import (
	"context"
	"net"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/internal/doctor"
)

// frontend is as much of a Temporal server as is asked: a version, the namespace
// "default", and who polls its queues.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	refuse bool
	polled polled
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{ServerVersion: "1.32.1", Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	switch {
	case f.refuse:
		return nil, serviceerror.ToStatus(serviceerror.NewPermissionDenied("not you", "")).Err()
	case r.GetNamespace() != "default":
		return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound(r.GetNamespace())).Err()
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func serve(t *testing.T, f *frontend) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	go func() { _ = server.Serve(l) }() // ends with the test
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func TestTemporal(t *testing.T) {
	address := serve(t, &frontend{})
	for _, tt := range []struct {
		name, address, namespace string
		named                    bool
		want                     doctor.Status
		says                     []string
	}{
		{"a server that is there", address, "default", true, doctor.OK, []string{address, "answers in", "server 1.32.1", `namespace "default"`}},
		{"one that nobody named but is there", address, "default", false, doctor.OK, []string{"server 1.32.1"}},
		{"a namespace that it does not have", address, "mine", true, doctor.Fail, []string{`no namespace "mine"`, "TEMPORAL_NAMESPACE"}},
		{"a server that refuses", serve(t, &frontend{refuse: true}), "default", true, doctor.Fail, []string{"not you", "TEMPORAL_API_KEY"}},
		{"a port at which nobody listens", closed, "default", true, doctor.Fail, []string{closed + ": dial tcp", "connection refused", "TEMPORAL_ADDRESS"}},
		{"nobody named one, and there is none", closed, "default", false, doctor.Warn, []string{"none is configured; 'cordon run' brings its own", "TEMPORAL_ADDRESS"}},
		{"a name that nobody knows", "no-such-host.invalid:7233", "default", true, doctor.Fail, []string{"no-such-host.invalid"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := onCache(t, t.TempDir())
			e.Temporal, e.TemporalNamed = client.Options{HostPort: tt.address, Namespace: tt.namespace}, tt.named
			want(t, one(t, e, "Temporal"), tt.want, tt.says...)
		})
	}
}
