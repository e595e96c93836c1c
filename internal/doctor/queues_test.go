package doctor_test

import (
	"context"
	"testing"
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

// polled is who polls: by queue and kind, the identities. One that begins with "gone" was
// seen last some minutes ago.
type polled map[string]map[enumspb.TaskQueueType][]string

func (f *frontend) DescribeTaskQueue(_ context.Context, r *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	answer := &workflowservice.DescribeTaskQueueResponse{}
	for _, identity := range f.polled[r.GetTaskQueue().GetName()][r.GetTaskQueueType()] {
		seen := time.Now()
		if identity == "gone" {
			seen = seen.Add(-4 * time.Minute)
		}
		answer.Pollers = append(answer.Pollers, &taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(seen)})
	}
	return answer, nil
}

func TestQueues(t *testing.T) {
	catalog, err := metadata.NewCatalog(workflows.Builtin(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	identity := func(serve config.Serve, version string) string {
		return worker.IdentityOf(config.Worker{Vertical: "python", Serve: serve}, catalog, version).String()
	}
	all, activities, storage := identity(config.ServeAll, "1"), identity(config.ServeActivities, "1"), identity(config.ServeStorage, "1")
	old := pollers.Identity{Version: "0.1", Serve: config.ServeStorage, Activities: "00000000", Workflows: pollers.None, Process: "1@h"}.String()
	const act, flow = enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_WORKFLOW
	kinds := func(queue string, activities, workflows []string) polled {
		return polled{queue: {act: activities, flow: workflows}}
	}
	for _, tt := range []struct {
		name   string
		vars   map[string]string
		polled polled
		want   doctor.Status
		says   []string
	}{
		{"nobody is there", map[string]string{"WORKER_VERTICAL": "python"}, nil, doctor.OK, []string{"nobody polls python-queue"}},
		{"its own kind is there", map[string]string{"WORKER_VERTICAL": "python"}, kinds("python-queue", []string{all, activities}, []string{all}), doctor.OK, []string{"python-queue is polled by 2"}},
		{"Python's workflows beside activities", map[string]string{"WORKER_VERTICAL": "python", "WORKER_SERVE": "activities"}, kinds("python-queue", []string{activities}, []string{"1@py"}), doctor.OK, []string{"polled by 2"}},
		{"Python's activities beside all", map[string]string{"WORKER_VERTICAL": "python"}, kinds("python-queue", []string{"1@py", all}, []string{all}), doctor.Warn,
			[]string{`"1@py"`, `"python-queue"`, "activities=[]", "WORKER_SERVE=storage"}},
		{"Python's workflows beside all", map[string]string{"WORKER_VERTICAL": "python"}, kinds("python-queue", []string{all}, []string{"1@py", all}), doctor.Warn, []string{`"1@py"`, "WORKER_SERVE=activities"}},
		{"Python's of minutes ago", map[string]string{"WORKER_VERTICAL": "python"}, kinds("python-queue", []string{"gone"}, nil), doctor.OK, []string{"nobody polls"}},
		{"storage on a mixed queue", map[string]string{"WORKER_VERTICAL": "python", "WORKER_SERVE": "storage", "WORKER_TASK_QUEUE": "mixed"}, kinds("mixed", []string{"1@py"}, nil), doctor.Fail,
			[]string{`"mixed"`, "leave WORKER_TASK_QUEUE"}},
		{"storage beside an older one", map[string]string{"WORKER_VERTICAL": "python", "WORKER_SERVE": "storage"}, kinds("python-storage", []string{old}, nil), doctor.Warn, []string{"Cordon 0.1", "same version"}},
		{"another's queue, without a vertical", nil, kinds("python-queue", []string{"1@py"}, []string{"1@py"}), doctor.OK, []string{"python-queue is polled by 1"}},
		{"two on one, without a vertical", nil, kinds("python-storage", []string{"1@py", "2@py", storage}, nil), doctor.Warn, []string{`"python-storage"`, "and 1 more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := env(t, tt.vars)
			e.Version, e.Temporal = "1", client.Options{HostPort: serve(t, &frontend{polled: tt.polled}), Namespace: "default"}
			want(t, one(t, e, "queues"), tt.want, tt.says...)
		})
	}
	want(t, one(t, onCache(t, t.TempDir()), "queues"), doctor.OK, "not looked at: Temporal does not answer")

	for build, c := range map[string]struct {
		status doctor.Status
		says   []string
	}{
		"1.0": {doctor.OK, []string{"version 1.0 of the worker deployment cordon-python is current"}},
		"1.1": {doctor.OK, []string{"is ramping"}},
		"0.9": {doctor.Warn, []string{"is not current", "set-current-version --deployment-name cordon-python --build-id 0.9"}},
		"2.0": {doctor.OK, []string{"is unknown to Temporal"}},
	} {
		e := env(t, map[string]string{"WORKER_VERTICAL": "python", "WORKER_DEPLOYMENT": "cordon-python", "WORKER_BUILD_ID": build})
		e.Version, e.Temporal = "1", client.Options{HostPort: serve(t, &frontend{}), Namespace: "default"}
		want(t, one(t, e, "queues"), c.status, c.says...)
	}
}

func (f *frontend) DescribeWorkerDeployment(_ context.Context, r *workflowservice.DescribeWorkerDeploymentRequest) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	version := func(build string) *deploymentpb.WorkerDeploymentVersion {
		return &deploymentpb.WorkerDeploymentVersion{DeploymentName: r.GetDeploymentName(), BuildId: build}
	}
	return &workflowservice.DescribeWorkerDeploymentResponse{WorkerDeploymentInfo: &deploymentpb.WorkerDeploymentInfo{
		Name:          r.GetDeploymentName(),
		RoutingConfig: &deploymentpb.RoutingConfig{CurrentDeploymentVersion: version("1.0"), RampingDeploymentVersion: version("1.1"), RampingVersionPercentage: 5},
		VersionSummaries: []*deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary{
			{DeploymentVersion: version("0.9")}, {DeploymentVersion: version("1.0")}, {DeploymentVersion: version("1.1")}},
	}}, nil
}
