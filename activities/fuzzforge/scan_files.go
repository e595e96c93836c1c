package fuzzforge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/inventory"
	"github.com/cordonlabs/cordon/finding"
)

// filesConfig is the config of scan_files.
type filesConfig struct {
	patterns  []finding.Glob
	sensitive bool
	hashes    bool
	maxSize   int64 // bytes; larger files are not looked at
}

// defaultMaxFileSize is that of FuzzForge: 10 MiB.
const defaultMaxFileSize = 10 << 20

func readFilesConfig(config arguments.Arguments) (c filesConfig, err error) {
	patterns, err1 := config.Texts("config.patterns", "*")
	sensitive, err2 := config.Bool("config.check_sensitive", true)
	hashes, err3 := config.Bool("config.calculate_hashes", false)
	size, err4 := config.Count("config.max_file_size", defaultMaxFileSize)
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return c, err
	}
	c = filesConfig{sensitive: sensitive, hashes: hashes, maxSize: size}
	for _, p := range patterns {
		g, err := finding.ParseGlob("**/" + p) // at any depth, as FuzzForge looks for them
		if err != nil || p == "" {
			return c, config.Wrong("config.patterns", "has a pattern that cannot be used")
		}
		c.patterns = append(c.patterns, g)
	}
	return c, nil
}

func (c filesConfig) wants(f analyze.File) bool {
	return f.Size <= c.maxSize && slices.ContainsFunc(c.patterns, func(g finding.Glob) bool { return g.Match(f.Path) })
}

// ScanFiles is scan_files(workspace_path, config): it counts the files that match
// patterns, and points out those that should not be in a project (check_sensitive). With
// calculate_hashes each file is a finding of the severity info that has its SHA-256.
func (a *Activities) ScanFiles(ctx context.Context, workspacePath, config converter.RawValue) (Result, error) {
	call, err := decode(ScanFilesName, "patterns, check_sensitive, calculate_hashes, max_file_size", workspacePath, config)
	if err != nil {
		return Result{}, activities.ApplicationError(ScanFilesName, err)
	}
	c, err := readFilesConfig(call.config)
	if err != nil {
		return Result{}, activities.ApplicationError(ScanFilesName, err)
	}
	var result Result
	counts := map[string]any{}
	err = a.tools.Analyse(ctx, ScanFilesName, activities.Files, call.path, func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error) {
		return scanFiles(ctx, dir, c, counts, progress)
	}, func(ctx context.Context, found *analyze.Result) (err error) {
		result, err = a.fit(ctx, newResult(found, counts))
		return err
	})
	return result, err
}

// scanFiles adds to counts what the summary has beside the findings.
func scanFiles(ctx context.Context, dir string, c filesConfig, counts map[string]any, progress analyze.Progress) (*analyze.Result, error) {
	tree, err := analyze.OpenTree(dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return nil, err
	}
	var chosen []analyze.File
	var bytes int64
	known := map[string]bool{}
	for _, f := range list.Files {
		if c.wants(f) {
			chosen = append(chosen, f)
			bytes += f.Size
			known[f.Path] = true
		}
	}
	files, found, err := inventory.Scan(ctx, inventory.Options{Dir: dir, Progress: progress})
	if err != nil {
		return nil, err
	}
	found.Findings = slices.DeleteFunc(found.Findings, func(f finding.Finding) bool { return !c.sensitive || !known[f.FilePath] })
	counts["total_files"], counts["total_bytes"] = len(chosen), bytes
	counts["sensitive_files"], counts["languages"] = len(found.Findings), files.Languages
	if c.hashes {
		hashed, err := hashes(ctx, tree, chosen, progress)
		if err != nil {
			return nil, err
		}
		if left := len(chosen) - maxHashed; left > 0 {
			found.Truncated += left
			found.Notes = append(found.Notes, fmt.Sprintf("calculate_hashes: %d files of %d were hashed", maxHashed, len(chosen)))
		}
		found.Findings = append(found.Findings, hashed...)
		finding.Sort(found.Findings)
	}
	return found, nil
}

// maxHashed is how many files are hashed: as many as any other tool reports.
const maxHashed = finding.MaxFindings

// hashes makes a finding of each file.
func hashes(ctx context.Context, tree *analyze.Tree, files []analyze.File, progress analyze.Progress) ([]finding.Finding, error) {
	var mu sync.Mutex
	var out []finding.Finding
	err := analyze.Each(ctx, files[:min(len(files), maxHashed)], progress, func(ctx context.Context, f analyze.File) {
		sum, err := hash(ctx, tree, f.Path)
		if err != nil {
			return // it cannot be read: the inventory counts it among those
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, finding.Finding{
			RuleID: "file-hash", Title: "File", Description: "A file of the project, and the SHA-256 of its content.", Severity: finding.Info,
			Category: "file", FilePath: f.Path, Metadata: map[string]any{"tool": "cordon-inventory", "sha256": sum, "bytes": f.Size},
		})
	})
	return finding.Seal(out), err
}

func hash(ctx context.Context, tree *analyze.Tree, path string) (string, error) {
	f, err := tree.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, wanted{ctx, f}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// wanted reads while its context lasts: max_file_size may let files through that take longer
// than a cancellation may (CONTRACT §7, row 13).
type wanted struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (w wanted) Read(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.r.Read(p)
}
