package cproject

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Entry is what a harness of libFuzzer defines, which other engines can drive too.
const Entry = "LLVMFuzzerTestOneInput"

// Extensions of C and C++ sources.
var (
	CExtensions   = []string{".c"}
	CXXExtensions = []string{".cc", ".cpp", ".cxx", ".C", ".c++"}
	headers       = []string{".h", ".hh", ".hpp", ".hxx", ".inc", ".inl"}
)

// Discover lists the harnesses that define Entry.
func Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	return DiscoverBy(ctx, dir, func(_, bare []byte) int { return source.Defines(bare, Entry) })
}

// DiscoverBy lists the sources in which at, given the text and source.Bare of it,
// finds a harness: its offset, or -1.
func DiscoverBy(ctx context.Context, dir string, at func(text, bare []byte) int) ([]fuzz.Harness, error) {
	var found []fuzz.Harness
	err := source.Each(ctx, dir, append(CExtensions[:1:1], CXXExtensions...), func(f source.File) {
		if at := at(f.Text, source.Bare(f.Text)); at >= 0 {
			found = append(found, fuzz.Harness{File: f.Path, Line: source.Line(f.Text, at)})
		}
	})
	if err != nil {
		return nil, err
	}
	return source.Name(found), nil
}
