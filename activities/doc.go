// Package activities holds the Temporal activities of Cordon: the four that
// workflows in any language call by name (CONTRACT §1), and the tools of the
// built-in workflows. For workflows in Go, WithWorkspace wraps the former.
//
// The storage activities take their arguments as raw payloads and decode
// them by hand, because a typed signature would turn a wrong argument into an
// error that Temporal retries for ever. Every error that leaves an activity is
// an ApplicationError whose type is a cordon.Kind; it is retryable just if that
// kind is.
//
// An activity works under a lifetime, a context that knows the difference
// between "nobody wants this any more" and "this attempt ran out of time", and
// heartbeats every second whatever its caller set.
package activities

// The names under which the activities are registered. Clients and workflows in
// other languages use them; they never change.
const (
	GetTargetName        = "get_target"
	AcquireWorkspaceName = "acquire_workspace"
	CleanupCacheName     = "cleanup_cache"
	UploadResultsName    = "upload_results"

	// ChooseHostsName says on which hosts a run is best placed.
	ChooseHostsName = "choose_hosts"
	// WatchWorkspaceName tells a workflow when the host of its workspace is gone.
	WatchWorkspaceName = "watch_workspace"

	// InventoryFilesName lists a workspace's files by language and points out
	// sensitive ones.
	InventoryFilesName = "inventory_files"
	// ScanSecretsName looks for credentials in a workspace's files and git history.
	ScanSecretsName = "scan_secrets"
	// ScanCodeName applies Cordon's own rules to the source code of a workspace.
	ScanCodeName = "scan_code"
	// ScanGoName runs gosec on the Go modules of a workspace.
	ScanGoName = "scan_go"
	// RunToolName runs the program that the calling workflow's metadata names.
	RunToolName = "run_tool"
	// RunFuzzerName builds a project's harnesses and fuzzes them.
	RunFuzzerName = "run_fuzzer"
	// ReportFindingsName joins what the tools found into a workflow's result and
	// stores it.
	ReportFindingsName = "report_findings"
)

// MemoIsolation is the key of the workflow memo in which `cordon run
// --isolation` carries the mode, as a string (CONTRACT §2).
const MemoIsolation = "cordon.isolation"

// MemoLineage is the key of the workflow memo that names, as a string, the project
// of which the target is one version: crashes and corpora of all its versions are
// kept together. Without it, the target's id is meant.
const MemoLineage = "cordon.lineage"
