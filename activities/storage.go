package activities

import (
	"context"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
)

// storageActivity is one of the activities that manage workspaces and results, by
// whichever door it is called.
type storageActivity struct {
	name string
	fn   any // as the SDK takes it
	call func(ctx context.Context, first, second, third converter.RawValue) (any, error)
}

// storage lists the storage activities. What stands here is registered with Temporal's
// SDK, and answers Call.
func (a *Activities) storage() []storageActivity {
	return []storageActivity{
		stored(GetTargetName, a.GetTarget),
		stored(AcquireWorkspaceName, a.AcquireWorkspace),
		stored(CleanupCacheName, a.CleanupCache),
		stored(UploadResultsName, a.UploadResults),
	}
}

func stored[T any](name string, fn func(ctx context.Context, first, second, third converter.RawValue) (T, error)) storageActivity {
	return storageActivity{name: name, fn: fn, call: func(ctx context.Context, first, second, third converter.RawValue) (any, error) {
		return fn(ctx, first, second, third)
	}}
}

// RegisterStorage registers the storage activities, see StorageNames, and choose_hosts,
// which goes with them where they come as Temporal's tasks.
func (a *Activities) RegisterStorage(r worker.ActivityRegistry) {
	register(r, ChooseHostsName, a.ChooseHosts)
	for _, s := range a.storage() {
		register(r, s.name, s.fn)
	}
}

// StorageNames returns the names of the storage activities.
func (a *Activities) StorageNames() []string {
	var names []string
	for _, s := range a.storage() {
		names = append(names, s.name)
	}
	return names
}
