package inventory

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// Options say what to scan.
type Options struct {
	Dir      string           // the workspace
	Progress analyze.Progress // may be nil
}

// Count is how much there is of one language or format.
type Count struct {
	Language analyze.Language `json:"language"` // "other" where it is not known
	Files    int              `json:"files"`
	Bytes    int64            `json:"bytes"`
}

// Large is one of the largest files.
type Large struct {
	Path  string `json:"path"` // cut where it has more than 512 bytes
	Bytes int64  `json:"bytes"`
}

// Inventory is what a workspace consists of.
type Inventory struct {
	Files     int     `json:"files"`
	Bytes     int64   `json:"bytes"`
	Languages []Count `json:"languages"` // most files first
	Vendored  int     `json:"vendored"`  // files of dependencies or build output, among Files
	Links     int     `json:"links"`     // symbolic links, not among Files
	Largest   []Large `json:"largest"`   // the largest first, at most ten
	GitRepos  int     `json:"git_repositories"`
}

const (
	maxLargest = 10 // of the largest files are listed

	// maxShownPath is the longest path that is listed whole, in bytes. An inventory travels
	// through the history of a run, and a hostile tree's paths have thousands of them.
	maxShownPath = 512
)

// Scan lists the workspace. It fails only if the directory cannot be read or ctx ends.
func Scan(ctx context.Context, opt Options) (*Inventory, *analyze.Result, error) {
	tree, err := analyze.OpenTree(opt.Dir)
	if err != nil {
		return nil, nil, err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	res := &analyze.Result{Tools: []finding.Tool{{Name: "cordon-inventory", Available: true}}, FilesScanned: len(list.Files)}
	for reason, n := range list.Skipped {
		res.Skip(reason, n)
	}
	var (
		mu  sync.Mutex
		all []finding.Finding
	)
	err = analyze.Each(ctx, list.Files, opt.Progress, func(_ context.Context, f analyze.File) {
		if found, ok := sensitive(tree, f); ok {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, found)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for _, repo := range list.Repos {
		if found, ok := remotePassword(tree, repo); ok {
			all = append(all, found)
		}
	}
	res.Close(all)
	return count(list), res, nil
}

func count(list *analyze.Listing) *Inventory {
	inv := &Inventory{Files: len(list.Files), Links: list.Skipped[analyze.SkipLink], GitRepos: len(list.Repos)}
	by := make(map[analyze.Language]*Count)
	for _, f := range list.Files {
		inv.Bytes += f.Size
		if analyze.IsVendored(f.Path) {
			inv.Vendored++
		}
		l := cmp.Or(analyze.LanguageOf(f.Path), "other")
		if by[l] == nil {
			by[l] = &Count{Language: l}
		}
		by[l].Files++
		by[l].Bytes += f.Size
	}
	for _, c := range by {
		inv.Languages = append(inv.Languages, *c)
	}
	slices.SortFunc(inv.Languages, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), strings.Compare(string(a.Language), string(b.Language)))
	})
	files := slices.Clone(list.Files)
	slices.SortStableFunc(files, func(a, b analyze.File) int { return cmp.Compare(b.Size, a.Size) })
	for _, f := range files[:min(maxLargest, len(files))] {
		p := f.Path
		if len(p) > maxShownPath {
			p = strings.ToValidUTF8(p[:maxShownPath], "") + "…"
		}
		inv.Largest = append(inv.Largest, Large{p, f.Size})
	}
	return inv
}

// sensitive looks whether a file is of a sensitive kind: the first that matches.
func sensitive(tree *analyze.Tree, f analyze.File) (finding.Finding, bool) {
	var content []byte
	read := func() []byte {
		if content == nil {
			content = head(tree, f.Path)
		}
		return content
	}
	for i := range Kinds() {
		if k := &Kinds()[i]; k.is(f, read) {
			return k.finding(f.Path, f.Size), true
		}
	}
	return finding.Finding{}, false
}

// head reads a file's beginning. Of a file that cannot be read it is empty, which matches nothing.
func head(tree *analyze.Tree, p string) []byte {
	f, err := tree.Open(p)
	if err != nil {
		return []byte{}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, contentBytes))
	if err != nil {
		return []byte{}
	}
	return b
}

// finding describes a file. Its content is not shown.
func (k *Kind) finding(p string, size int64) finding.Finding {
	return finding.Finding{
		RuleID: k.ID, Title: k.Title, Severity: k.Severity, Category: "sensitive-file",
		Description: k.Description, Recommendation: k.Recommendation, FilePath: p,
		Metadata: map[string]any{"tool": "cordon-inventory", "cwe": k.CWE, "bytes": size},
	}
}

// remotePassword looks for a password in the address of a repository's remote.
func remotePassword(tree *analyze.Tree, repo string) (finding.Finding, bool) {
	p := strings.TrimPrefix(repo+"/.git/config", "./")
	if !remoteURL.Match(head(tree, p)) {
		return finding.Finding{}, false
	}
	return finding.Finding{
		RuleID: "sensitive-git-remote", Title: "Password in a git remote", Severity: finding.High, Category: "sensitive-file",
		Description:    "The address of a remote in .git/config holds a user's password or token.",
		Recommendation: fmt.Sprintf("Revoke it, and set the address of the remote in %s without it.", p),
		FilePath:       p,
		Metadata:       map[string]any{"tool": "cordon-inventory", "cwe": "CWE-312"},
	}, true
}
