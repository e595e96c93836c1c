package aflpp

import (
	"bytes"
	"context"
	"regexp"
	"strings"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/cproject"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Engine is AFL++. Its zero value is ready to use.
type Engine struct{}

var _ fuzz.Engine = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "afl++" }

// Version implements fuzz.Engine.
func (Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	t, err := find(ctx, run)
	return t.version, err
}

// Discover implements fuzz.Engine.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	return cproject.DiscoverBy(ctx, dir, func(text, bare []byte) int {
		_, at := classify(text, bare)
		return at
	})
}

// kind is how a harness gets its input.
type kind struct {
	entry bool     // by LLVMFuzzerTestOneInput
	args  []string // of a program with a main; "@@" is the file
}

// byFile reports whether the input is in a file that an argument names.
func (k kind) byFile() bool {
	for _, a := range k.args {
		if strings.Contains(a, placeholder) {
			return true
		}
	}
	return k.entry
}

// placeholder is what AFL puts the name of the file for.
const placeholder = "@@"

var (
	persistent = regexp.MustCompile(`\b__AFL_(LOOP|INIT)\b`)
	comment    = regexp.MustCompile(`(?m)^[ \t]*(?://|/?\*)[ \t]*cordon:[ \t]*afl\b([^\n]*)$`)
)

// classify says what kind of harness a source is, and where in it that is defined: -1
// where it is none. bare is source.Bare of text.
func classify(text, bare []byte) (kind, int) {
	if at := source.Defines(bare, cproject.Entry); at >= 0 {
		return kind{entry: true}, at
	}
	at := source.Defines(bare, "main")
	if at < 0 {
		return kind{}, -1
	}
	m := comment.FindSubmatch(text)
	if m == nil && !persistent.Match(bare) {
		return kind{}, -1
	}
	var k kind
	if m != nil {
		said := bytes.TrimSuffix(bytes.TrimSpace(m[1]), []byte("*/"))
		k.args = strings.Fields(string(said))
	}
	return k, at
}
