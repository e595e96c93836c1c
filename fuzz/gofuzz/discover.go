package gofuzz

import (
	"bytes"
	"context"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
)

// maxSource is the size above which no file is read: one that people wrote has
// less than a tenth of it.
const maxSource = 2 << 20

// Discover implements fuzz.Engine. What the go command leaves out is no harness: directories
// named testdata or vendor, names that begin with a dot or an underscore, and files
// that are not for Linux and this processor.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	tree, err := analyze.OpenTree(dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	list, err := tree.List(ctx)
	if err != nil {
		return nil, err
	}
	var found []fuzz.Harness
	seen := make(map[string]bool)
	for _, f := range list.Files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !strings.HasSuffix(f.Path, "_test.go") || f.Size > maxSource || ignored(path.Dir(f.Path)) {
			continue
		}
		text, err := tree.ReadFile(f.Path, maxSource)
		if err != nil {
			continue // gone or exchanged meanwhile: then it is none
		}
		for _, h := range harnesses(f.Path, text) {
			// A package and its external test may have functions of one name; Go can fuzz neither.
			if !seen[h.Name] {
				seen[h.Name] = true
				found = append(found, h)
			}
		}
	}
	slices.SortFunc(found, func(a, b fuzz.Harness) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// ignored reports whether the go command passes over a directory.
func ignored(dir string) bool {
	if dir == "." {
		return false
	}
	for elem := range strings.SplitSeq(dir, "/") {
		if elem == "testdata" || elem == "vendor" || elem[0] == '.' || elem[0] == '_' {
			return true
		}
	}
	return false
}

// harnesses lists those of one file.
func harnesses(file string, text []byte) []fuzz.Harness {
	if !bytes.Contains(text, []byte("Fuzz")) || !built(path.Base(file), text) {
		return nil
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil // the compiler would say why
	}
	pkg := testingName(f)
	var found []fuzz.Harness
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if ok && isHarness(fn, pkg) {
			found = append(found, fuzz.Harness{
				Name: nameOf(path.Dir(file), fn.Name.Name), File: file, Line: set.Position(fn.Name.Pos()).Line,
			})
		}
	}
	return found
}

func nameOf(dir, function string) string {
	if dir == "." {
		return function
	}
	return dir + "." + function
}

// split takes apart what nameOf has put together.
func split(name string) (dir, function string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ".", name
	}
	return name[:i], name[i+1:]
}

// built reports whether a file is for this system, by its name and its constraints.
func built(base string, text []byte) bool {
	c := build.Default
	c.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	ok, err := c.MatchFile("", base)
	return ok && err == nil
}

// testingName is what package testing is called in a file: "." where its names need none,
// "" where it is not imported.
func testingName(f *ast.File) string {
	for _, i := range f.Imports {
		if i.Path.Value != `"testing"` && i.Path.Value != "`testing`" {
			continue
		}
		if i.Name != nil {
			return i.Name.Name
		}
		return "testing"
	}
	return ""
}

// isHarness reports whether the go command takes fn for one.
func isHarness(fn *ast.FuncDecl, pkg string) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Fuzz")
	if first, _ := utf8.DecodeRuneInString(rest); !ok || rest != "" && unicode.IsLower(first) {
		return false
	}
	t := fn.Type
	if fn.Recv != nil || t.TypeParams != nil || t.Results.NumFields() > 0 || t.Params.NumFields() != 1 {
		return false
	}
	return isPointerTo(t.Params.List[0].Type, pkg, "F")
}

// isPointerTo reports whether e is *pkg.name.
func isPointerTo(e ast.Expr, pkg, name string) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	switch x := star.X.(type) {
	case *ast.SelectorExpr:
		id, ok := x.X.(*ast.Ident)
		return ok && id.Name == pkg && x.Sel.Name == name
	case *ast.Ident:
		return pkg == "." && x.Name == name
	}
	return false
}
