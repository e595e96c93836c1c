package worker

import (
	"cmp"
	"context"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/fuzzforge"
	"github.com/cordonlabs/cordon/internal/memory"
	"github.com/cordonlabs/cordon/worker/admission"
)

// newAdmission shares this worker's slots out. Beside the storage activities, those have
// storage slots that end a run whose tools are done: they take no time, and what stands in
// their way keeps a workspace.
func (w *Worker) newAdmission() *admission.Admission {
	return admission.New(admission.Options{
		Tools:   w.opts.Config.MaxConcurrentActivities,
		Storage: w.opts.Config.StorageSlots,
		StorageNames: append(activities.New(activities.Options{}).StorageNames(),
			activities.ReportFindingsName, fuzzforge.GenerateSARIFReportName, fuzzforge.GitleaksGenerateSARIFName),
		Need: w.memoryLimit,
		Disk: func(ctx context.Context) error {
			return w.cache.Vacancy(ctx, admission.LeastBytes, admission.LeastInodes)
		},
		Others:   w.others,
		Memory:   memory.Read,
		Service:  func() workflowservice.WorkflowServiceClient { return w.client.WorkflowService() },
		Identity: cmp.Or(w.opts.Temporal.Identity, "cordon/"+w.opts.Version),
		Logger:   w.log,
	})
}

// others is how many other hosts poll the queue that an activity came on. What needs room in
// the object store finds as much of it anywhere.
func (w *Worker) others(ctx context.Context, info activity.Info) int {
	if info.ActivityType.Name == activities.UploadResultsName {
		return 0
	}
	return w.activities.Others(ctx, info.Namespace, admission.QueueOf(info.TaskQueue))
}

// memoryLimit is what metadata lets the tools of the calling workflow have, or the tool
// bridge the activity; 0 where neither says.
func (w *Worker) memoryLimit(info activity.Info) int64 {
	if info.WorkflowType != nil {
		if known, err := w.catalog.Lookup(info.WorkflowType.Name); err == nil && known.Limits.Memory > 0 {
			return known.Limits.Memory
		}
	}
	if e, ok := w.bridge.Lookup(info.ActivityType.Name); ok {
		return e.Limits.Memory
	}
	return 0
}

// Admission returns how this worker's slots are taken. Safe for concurrent use.
func (w *Worker) Admission() admission.Stats { return w.admission.Stats() }
