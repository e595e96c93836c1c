package activities

import (
	"context"
	"fmt"
	"log/slog"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/workspace"
)

var cleanupCacheSignature = arguments.Signature{
	Op:    CleanupCacheName,
	Names: []string{"target_path", "workspace_isolation"},
	Usage: "call it with target_path (string), workspace_isolation (string, default isolated)",
}

// cleanupCounter counts the cleanups by their outcome: one of
// workspace.Outcome, "invalid" for a call whose argument is none, or "failed".
const cleanupCounter = "cordon_cleanups"

// null is the activity's result: an explicit null, as other workers give it,
// and not a result that is missing.
var null = converter.NewRawValue(&commonpb.Payload{
	Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/null")},
})

// CleanupCache is cleanup_cache: it ends the calling run's claim on a workspace.
// What happens depends on what the cache recorded about the path alone; the mode
// that callers pass is checked by nobody (CONTRACT §1.4). It never fails, so
// that no workflow fails for having tidied up.
func (a *Activities) CleanupCache(ctx context.Context, targetPath, isolation converter.RawValue) (converter.RawValue, error) {
	info := activity.GetInfo(ctx)
	outcome := a.cleanup(ctx, a.caller(info), info, targetPath, isolation)
	activity.GetMetricsHandler(ctx).WithTags(map[string]string{"outcome": outcome}).Counter(cleanupCounter).Inc(1)
	return null, nil
}

func (a *Activities) cleanup(ctx context.Context, log *slog.Logger, info activity.Info, targetPath, isolation converter.RawValue) (outcome string) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("cleanup_cache failed; the sweep will remove what is left", "error", fmt.Sprint("internal error: ", p))
			outcome = "failed"
		}
	}()
	args, err := arguments.Decode(cleanupCacheSignature, targetPath, isolation)
	path := ""
	if err == nil {
		path, err = args.Text("target_path")
	}
	if err == nil && path == "" {
		err = args.Wrong("target_path", "is missing")
	}
	if err != nil {
		log.Warn("cleanup_cache was called with a wrong argument; nothing was deleted", "error", err)
		return "invalid"
	}
	by := workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner}
	cleaned, err := a.cache.Cleanup(ctx, path, by)
	if err != nil {
		log.Error("cleanup_cache failed; the sweep will remove what is left", "path", path, "error", err)
		return "failed"
	}
	level := slog.LevelInfo
	if cleaned.Outcome == workspace.Unknown {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "cleanup_cache", "path", path, "outcome", cleaned.Outcome, "reason", cleaned.Reason, "bytes", cleaned.Bytes)
	return string(cleaned.Outcome)
}
