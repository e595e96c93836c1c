package fuzzforge

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/secrets"
)

// ScanWithGitleaks is scan_with_gitleaks(workspace_path, config): what scan_secrets
// does. Secrets are redacted, whatever config's redact says.
func (a *Activities) ScanWithGitleaks(ctx context.Context, workspacePath, config converter.RawValue) (Result, error) {
	call, err := decode(ScanWithGitleaksName, "scan_mode, redact, no_git", workspacePath, config)
	if err != nil {
		return Result{}, activities.ApplicationError(ScanWithGitleaksName, err)
	}
	word, err1 := call.config.Text("config.scan_mode")
	redact, err2 := call.config.Bool("config.redact", true)
	noGit, err3 := call.config.Bool("config.no_git", false)
	mode, err4 := secrets.ParseMode(word)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return Result{}, activities.ApplicationError(ScanWithGitleaksName, err)
	}
	var result Result
	err = a.tools.Analyse(ctx, ScanWithGitleaksName, activities.Files, call.path, func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error) {
		return secrets.Scan(ctx, secrets.Options{Dir: dir, Mode: mode, NoGit: noGit, NoRedact: !redact, Progress: progress})
	}, func(ctx context.Context, found *analyze.Result) (err error) {
		result, err = a.fit(ctx, newResult(found, map[string]any{"total_leaks": len(found.Findings), "files_scanned": found.FilesScanned}))
		return err
	})
	return result, err
}
