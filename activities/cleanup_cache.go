package activities

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/workspace"
)

var cleanupCacheSignature = arguments.Signature{
	Op:    CleanupCacheName,
	Names: []string{"target_path", "workspace_isolation", "run_failed"},
	Usage: "call it with target_path (string), workspace_isolation (string, default isolated), run_failed (boolean, default false)",
}

// cleanupCounter counts the cleanups by their outcome: one of
// workspace.Outcome, "invalid" for a call whose argument is none, "kept on failure",
// or "failed".
const cleanupCounter = "cordon_cleanups"

// keptOnFailure is the outcome of a cleanup that left a failed run's workspace alone.
const keptOnFailure = "kept on failure"

// null is the activity's result: an explicit null, as other workers give it,
// and not a result that is missing.
var null = converter.NewRawValue(&commonpb.Payload{
	Metadata: map[string][]byte{converter.MetadataEncoding: []byte("binary/null")},
})

// CleanupCache is cleanup_cache: it ends the calling run's claim on a workspace.
// What happens depends on what the cache recorded about the path alone; the mode
// that callers pass is checked by nobody (CONTRACT §1.4). It never fails, so
// that no workflow fails for having tidied up.
//
// A run that is about to fail says so by run_failed. If its metadata then asks for
// keep_on_failure, its own workspace stays for people to look at, and the result
// says where and until when (CONTRACT §8.12). That is decided here and not in the
// workflow, because editing metadata.yaml is to be enough, and a workflow's code
// must not read files.
func (a *Activities) CleanupCache(ctx context.Context, targetPath, isolation, failed converter.RawValue) (converter.RawValue, error) {
	door := doorOf(ctx)
	info := door.info
	outcome, kept := a.cleanup(ctx, a.caller(info), info, targetPath, isolation, failed)
	door.metrics.WithTags(map[string]string{"outcome": outcome}).Counter(cleanupCounter).Inc(1)
	if kept == "" {
		return null, nil
	}
	path, err := converter.GetDefaultDataConverter().ToPayload(kept)
	return converter.NewRawValue(path), err
}

func (a *Activities) cleanup(ctx context.Context, log *slog.Logger, info activity.Info, targetPath, isolation, failed converter.RawValue) (outcome, kept string) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("cleanup_cache failed; the sweep will remove what is left", "error", fmt.Sprint("internal error: ", p))
			outcome = "failed"
		}
	}()
	args, err := arguments.Decode(cleanupCacheSignature, targetPath, isolation, failed)
	path := ""
	if err == nil {
		path, err = args.Text("target_path")
	}
	if err == nil && path == "" {
		err = args.Wrong("target_path", "is missing")
	}
	if err != nil {
		log.Warn("cleanup_cache was called with a wrong argument; nothing was deleted", "error", err)
		return "invalid", ""
	}
	log = a.callerOn(info, path)
	if err := a.cache.Salvage(ctx, path); err != nil {
		log.Error("what the run found is not in the store yet: its workspace stays, and sweeps try again", "path", path, "error", err)
	}
	// What is no boolean is of a caller who knows of no such argument.
	if failed, err := args.Bool("run_failed", false); err == nil && failed && a.keepsOnFailure(log, info) {
		until, err := a.cache.Keep(ctx, path)
		if err != nil {
			log.Warn("the workspace of a failed run cannot be kept (keep_on_failure)", "path", path, "error", err)
		}
		if !until.IsZero() {
			return keptOnFailure, fmt.Sprintf("%s until %s", path, until.UTC().Format(time.RFC3339))
		}
	}
	by := workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner}
	cleaned, err := a.cache.Cleanup(ctx, path, by)
	if err != nil {
		log.Error("cleanup_cache failed; the sweep will remove what is left", "path", path, "error", err)
		return "failed", ""
	}
	level := slog.LevelInfo
	if cleaned.Outcome == workspace.Unknown {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "cleanup_cache", "path", path, "outcome", cleaned.Outcome, "reason", cleaned.Reason, "bytes", cleaned.Bytes)
	return string(cleaned.Outcome), ""
}

// keepsOnFailure reports whether the calling workflow's metadata says that the
// run's own workspace stays if the run fails.
func (a *Activities) keepsOnFailure(log *slog.Logger, info activity.Info) bool {
	w, ok := lookup(a.catalog, log, class(info))
	return ok && w.KeepOnFailure
}
