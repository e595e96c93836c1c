package fuzzforge

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/code"
	"github.com/cordonlabs/cordon/analyze/gosec"
	"github.com/cordonlabs/cordon/analyze/secrets"
	"github.com/cordonlabs/cordon/finding"
)

// securityConfig is the config of analyze_security.
type securityConfig struct {
	extensions              []string // of the files that are looked at, with their dots, in lower case; none: all
	secrets, sql, dangerous bool
}

func readSecurityConfig(config arguments.Arguments) (c securityConfig, err error) {
	extensions, err1 := config.Texts("config.file_extensions")
	var err2, err3, err4 error
	c.secrets, err2 = config.Bool("config.check_secrets", true)
	c.sql, err3 = config.Bool("config.check_sql", true)
	c.dangerous, err4 = config.Bool("config.check_dangerous_functions", true)
	for _, e := range extensions {
		c.extensions = append(c.extensions, "."+strings.ToLower(strings.TrimLeft(e, "*.")))
	}
	return c, cmp.Or(err1, err2, err3, err4)
}

// Categories that a part of the config stands for; dangerous functions are all others.
const (
	secretInFile = "secret"           // of package secrets
	secretInCode = "hardcoded-secret" // of the rules for code
	sqlInjection = "sql-injection"
)

func (c securityConfig) wants(f finding.Finding) bool {
	if len(c.extensions) > 0 && !slices.Contains(c.extensions, strings.ToLower(path.Ext(f.FilePath))) {
		return false
	}
	switch f.Category {
	case secretInFile, secretInCode:
		return c.secrets
	case sqlInjection:
		return c.sql
	}
	return c.dangerous
}

// AnalyzeSecurity is analyze_security(workspace_path, config): Cordon's own rules, gosec
// and the search for credentials, in the files with file_extensions.
func (a *Activities) AnalyzeSecurity(ctx context.Context, workspacePath, config converter.RawValue) (Result, error) {
	call, err := decode(AnalyzeSecurityName, "file_extensions, check_secrets, check_sql, check_dangerous_functions", workspacePath, config)
	if err != nil {
		return Result{}, activities.ApplicationError(AnalyzeSecurityName, err)
	}
	c, err := readSecurityConfig(call.config)
	if err != nil {
		return Result{}, activities.ApplicationError(AnalyzeSecurityName, err)
	}
	var result Result
	err = a.tools.Analyse(ctx, AnalyzeSecurityName, activities.Files, call.path, func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error) {
		return analyzeSecurity(ctx, dir, c, progress)
	}, func(ctx context.Context, found *analyze.Result) (err error) {
		result, err = a.fit(ctx, newResult(found, map[string]any{"files_analyzed": found.FilesScanned}))
		return err
	})
	return result, err
}

func analyzeSecurity(ctx context.Context, dir string, c securityConfig, progress analyze.Progress) (*analyze.Result, error) {
	scrub, err := secrets.NewScrubber()
	if err != nil {
		return nil, err
	}
	all := &analyze.Result{}
	run := func(wanted bool, scan func() (*analyze.Result, error)) {
		if !wanted || err != nil {
			return
		}
		var r *analyze.Result
		if r, err = scan(); err == nil {
			join(all, r)
		}
	}
	// Secrets go first: the scrubber then knows those that others must not show.
	run(c.secrets, func() (*analyze.Result, error) {
		return secrets.Scan(ctx, secrets.Options{Dir: dir, Mode: secrets.Protect, Scrubber: scrub, Progress: progress})
	})
	run(true, func() (*analyze.Result, error) {
		return code.Scan(ctx, code.Options{Dir: dir, Scrubber: scrub, Progress: progress})
	})
	run(len(c.extensions) == 0 || slices.Contains(c.extensions, ".go"), func() (*analyze.Result, error) {
		return gosec.Scan(ctx, gosec.Options{Dir: dir, Scrubber: scrub, Progress: progress})
	})
	if err != nil {
		return nil, err
	}
	all.Findings = slices.DeleteFunc(all.Findings, func(f finding.Finding) bool { return !c.wants(f) })
	finding.Sort(all.Findings)
	return all, nil
}

// join adds what another analyser of the same files found. Their counts of files are not
// added: the largest says how many there are.
func join(all, r *analyze.Result) {
	all.Findings = append(all.Findings, r.Findings...)
	all.Truncated += r.Truncated
	all.Suppressed += r.Suppressed
	all.FilesScanned = max(all.FilesScanned, r.FilesScanned)
	for reason, n := range r.FilesSkipped {
		all.Skip(reason, max(n-all.FilesSkipped[reason], 0))
	}
	all.Tools = append(all.Tools, r.Tools...)
	all.Notes = append(all.Notes, r.Notes...)
}
