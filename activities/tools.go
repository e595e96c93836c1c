package activities

import (
	"context"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/code"
	"github.com/cordonlabs/cordon/analyze/gosec"
	"github.com/cordonlabs/cordon/analyze/inventory"
	"github.com/cordonlabs/cordon/analyze/secrets"
)

// ToolRequest is the argument of inventory_files, scan_code and scan_go.
type ToolRequest struct {
	Path string `json:"path"` // a workspace that get_target returned
}

// ScanSecretsRequest is the argument of scan_secrets.
type ScanSecretsRequest struct {
	Path     string       `json:"path"`      // a workspace that get_target returned
	ScanMode secrets.Mode `json:"scan_mode"` // "" is detect
	NoRedact bool         `json:"no_redact"` // answered by a note: secrets are always redacted
	NoGit    bool         `json:"no_git"`    // leave the git history out
}

// ScanSecrets is scan_secrets: credentials in the workspace's files and git
// history, redacted.
func (a *Activities) ScanSecrets(ctx context.Context, argument converter.RawValue) (Part, error) {
	req, err := request[ScanSecretsRequest](ScanSecretsName, argument)
	if err != nil {
		return Part{}, err
	}
	return a.tool(ctx, ScanSecretsName, Files, req.Path, func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error) {
		return secrets.Scan(ctx, secrets.Options{Dir: dir, Mode: req.ScanMode, NoGit: req.NoGit, NoRedact: req.NoRedact, Progress: progress})
	})
}

// InventoryFiles is inventory_files: the workspace's files by language, and
// those that should not be in a project.
func (a *Activities) InventoryFiles(ctx context.Context, argument converter.RawValue) (Part, error) {
	var files *inventory.Inventory
	part, err := a.plainTool(ctx, InventoryFilesName, Files, argument, func(ctx context.Context, dir string, progress analyze.Progress) (result *analyze.Result, err error) {
		files, result, err = inventory.Scan(ctx, inventory.Options{Dir: dir, Progress: progress})
		return result, err
	})
	part.Inventory = files
	return part, err
}

// ScanCode is scan_code: Cordon's own rules on the workspace's source code.
func (a *Activities) ScanCode(ctx context.Context, argument converter.RawValue) (Part, error) {
	return a.plainTool(ctx, ScanCodeName, Files, argument, scrubbed(func(ctx context.Context, dir string, scrub analyze.Scrubber, progress analyze.Progress) (*analyze.Result, error) {
		return code.Scan(ctx, code.Options{Dir: dir, Scrubber: scrub, Progress: progress})
	}))
}

// ScanGo is scan_go: gosec on the workspace's Go modules, where the program is
// installed; the result says if it is not.
func (a *Activities) ScanGo(ctx context.Context, argument converter.RawValue) (Part, error) {
	return a.plainTool(ctx, ScanGoName, Modules, argument, scrubbed(func(ctx context.Context, dir string, scrub analyze.Scrubber, progress analyze.Progress) (*analyze.Result, error) {
		return gosec.Scan(ctx, gosec.Options{Dir: dir, Scrubber: scrub, Progress: progress})
	}))
}

// plainTool runs an analyser whose only argument is the workspace.
func (a *Activities) plainTool(ctx context.Context, name, unit string, argument converter.RawValue, analyse Analyser) (Part, error) {
	req, err := request[ToolRequest](name, argument)
	if err != nil {
		return Part{}, err
	}
	return a.tool(ctx, name, unit, req.Path, analyse)
}

// scrubbed gives an analyser a scrubber of its own: one that several shared
// would carry one project's secrets into the analysis of another.
func scrubbed(analyse func(ctx context.Context, dir string, scrub analyze.Scrubber, progress analyze.Progress) (*analyze.Result, error)) Analyser {
	return func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error) {
		scrub, err := secrets.NewScrubber()
		if err != nil {
			return nil, err
		}
		return analyse(ctx, dir, scrub, progress)
	}
}
