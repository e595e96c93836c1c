package libfuzzer

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// entry is what a harness defines.
const entry = "LLVMFuzzerTestOneInput"

// Extensions of C and C++ sources.
var (
	cExtensions   = []string{".c"}
	cxxExtensions = []string{".cc", ".cpp", ".cxx", ".C", ".c++"}
	headers       = []string{".h", ".hh", ".hpp", ".hxx", ".inc", ".inl"}
)

// Engine is libFuzzer. Its zero value is ready to use.
type Engine struct{}

var _ fuzz.Engine = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "libfuzzer" }

// Version implements fuzz.Engine.
func (Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	c, err := find(ctx, run)
	if err != nil {
		return "", err
	}
	return c.version, nil
}

// Discover implements fuzz.Engine.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	var found []fuzz.Harness
	err := source.Each(ctx, dir, append(cExtensions[:1:1], cxxExtensions...), func(f source.File) {
		if at := source.Defines(source.Bare(f.Text), entry); at >= 0 {
			found = append(found, fuzz.Harness{File: f.Path, Line: source.Line(f.Text, at)})
		}
	})
	if err != nil {
		return nil, err
	}
	return source.Name(found), nil
}
