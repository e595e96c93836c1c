package inventory

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
	"go.yaml.in/yaml/v3"
)

// Kind is a kind of file that should not lie in a project: an entry of sensitive.yaml.
type Kind struct {
	ID             string           `yaml:"id"`
	Title          string           `yaml:"title"`
	Severity       finding.Severity `yaml:"severity"`
	CWE            string           `yaml:"cwe"`
	Description    string           `yaml:"description"`
	Recommendation string           `yaml:"recommendation"`

	Names   []string `yaml:"names"`    // patterns of the last component, in any case
	Paths   []string `yaml:"paths"`    // patterns of the whole path
	Not     []string `yaml:"not"`      // patterns of paths that are harmless
	Content string   `yaml:"content"`  // regular expression over the first 64 KiB
	MinSize int64    `yaml:"min_size"` // bytes

	// Yes and No are examples that the tests run.
	Yes []Example `yaml:"yes"`
	No  []Example `yaml:"no"`

	names, paths, not []finding.Glob
	content           *regexp.Regexp
}

// Example is a file that is, or is not, of a kind.
type Example struct {
	Path    string `yaml:"path"`
	Content string `yaml:"content"`
	Size    int64  `yaml:"size"` // where the content does not matter
}

//go:embed sensitive.yaml
var sensitiveFile []byte

// Kinds returns the kinds of sensitive files, in the order of the file. The caller must not change them.
var Kinds = sync.OnceValue(func() []Kind {
	kinds, err := parseKinds(sensitiveFile)
	if err != nil {
		panic(err) // embedded; a test reads it
	}
	return kinds
})

func parseKinds(body []byte) ([]Kind, error) {
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	var kinds []Kind
	if err := dec.Decode(&kinds); err != nil {
		return nil, fmt.Errorf("sensitive.yaml: %w", err)
	}
	for i := range kinds {
		k := &kinds[i]
		for _, list := range []struct {
			from []string
			to   *[]finding.Glob
		}{{k.Names, &k.names}, {k.Paths, &k.paths}, {k.Not, &k.not}} {
			for _, p := range list.from {
				g, err := finding.ParseGlob(strings.ToLower(p))
				if err != nil {
					return nil, fmt.Errorf("sensitive.yaml: %s: %q: %w", k.ID, p, err)
				}
				*list.to = append(*list.to, g)
			}
		}
		if k.Content != "" {
			re, err := regexp.Compile(k.Content)
			if err != nil {
				return nil, fmt.Errorf("sensitive.yaml: %s: %w", k.ID, err)
			}
			k.content = re
		}
	}
	return kinds, nil
}

// contentBytes is how much of a file is looked at: what tells a file's kind stands at its beginning.
const contentBytes = 64 << 10

// is reports whether the file is of this kind; read returns its beginning, and is called only if names and size agree.
func (k *Kind) is(f analyze.File, read func() []byte) bool {
	p := strings.ToLower(f.Path)
	if !matchAny(k.names, path.Base(p)) && !matchAny(k.paths, p) || matchAny(k.not, p) || f.Size < k.MinSize {
		return false
	}
	return k.content == nil || k.content.Match(read())
}

func matchAny(gs []finding.Glob, s string) bool {
	for _, g := range gs {
		if g.Match(s) {
			return true
		}
	}
	return false
}

// remoteURL is an address with a password in it, as git config writes it.
var remoteURL = regexp.MustCompile(`(?m)^\s*(?:url|pushurl)\s*=\s*"?https?://[^/\s:@]*:[^/\s@]+@|^\s*(?:url|pushurl)\s*=\s*"?https?://(?:gh[pousr]_|github_pat_|glpat-)[^/\s@]+@`)
