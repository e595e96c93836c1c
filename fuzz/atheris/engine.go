package atheris

import (
	"context"
	"fmt"
	"regexp"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Engine is Atheris. Its zero value is ready to use.
type Engine struct {
	// Python is the path of a Python that has Atheris. If it is "", the first one in
	// PATH that has it is used: python3, then those with a version in their name.
	Python string
}

var _ fuzz.Engine = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "atheris" }

// Version implements fuzz.Engine.
func (e Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	p, err := e.find(ctx, run)
	if err != nil {
		return "", err
	}
	return p.version, nil
}

var (
	defines = regexp.MustCompile(`(?m)^def (TestOneInput)\s*\(`)
	setsUp  = regexp.MustCompile(`(?m)^[^\n]*\b(Setup)\s*\(\s*sys\.argv|\batheris\.(Setup)\s*\(`)
)

// Discover implements fuzz.Engine.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	var found []fuzz.Harness
	err := source.Each(ctx, dir, []string{".py"}, func(f source.File) {
		bare := source.BarePython(f.Text)
		at := defines.FindSubmatchIndex(bare)
		if at == nil {
			at = setsUp.FindSubmatchIndex(bare)
		}
		if at != nil {
			found = append(found, fuzz.Harness{File: f.Path, Line: source.Line(bare, at[1]-1)})
		}
	})
	if err != nil {
		return nil, err
	}
	return source.Name(found), nil
}

// checkSanitizer refuses a wish that Python cannot grant.
func checkSanitizer(wish string) error {
	if wish == "" || wish == "none" {
		return nil
	}
	return &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "choose the sanitizer", Name: fmt.Sprintf("%q", wish),
		Err: fmt.Errorf("atheris has no sanitizers: Python checks itself"),
		Fix: "give none, or nothing",
	}
}
