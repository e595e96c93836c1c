package cproject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Bounds on a project that has no script. One beyond them needs more than to be
// compiled file by file.
const (
	maxSources = 1000
	maxInclude = 100 // directories of headers
)

// beside are directories whose sources no harness needs.
var beside = []string{
	"test", "tests", "testing", "example", "examples", "sample", "samples", "demo", "demos",
	"bench", "benchmark", "benchmarks", "doc", "docs",
}

const addScript = "add fuzz/build.sh, which builds the harness with $CC, $CXX, $CFLAGS, $CXXFLAGS and $LIB_FUZZING_ENGINE into $OUT"

// byItself compiles the harness with the project's other sources and returns the
// program.
func (b *Build) byItself(ctx context.Context) (string, error) {
	sources, include, err := b.sources(ctx)
	if err != nil {
		return "", err
	}
	out, err := scratch.Make(b.Dir, b.Out, "compiled-")
	if err != nil {
		return "", fmt.Errorf("building %q: %w", b.Harness.Name, err)
	}
	defer out.Close()
	objects, err := out.Sub("objects")
	if err != nil {
		return "", fmt.Errorf("building %q: %w", b.Harness.Name, err)
	}
	harness := filepath.Join(objects, "harness.o")
	if failure, err := b.compile(ctx, b.Harness.File, harness, include); err != nil {
		return "", err
	} else if failure != "" {
		return "", b.broken(b.Harness.File+" does not compile", failure, addScript)
	}
	compiled, failures, err := b.compileAll(ctx, sources, objects, include)
	if err != nil {
		return "", err
	}
	program := filepath.Join(out.Path(), "harness")
	link := slices.Concat([]string{b.CXX}, b.Flags, b.Link, []string{"-o", program, harness})
	if len(compiled) > 0 {
		archive := filepath.Join(objects, "project.a")
		failure, err := b.run(ctx, fuzz.Command{Args: slices.Concat([]string{b.AR, "rcs", archive}, compiled)})
		if err != nil {
			return "", err
		}
		if failure != "" {
			return "", b.broken("ar failed", failure, addScript)
		}
		link = append(link, archive)
	}
	failure, err := b.run(ctx, fuzz.Command{Args: append(link, "-lpthread", "-ldl", "-lm")})
	if err != nil {
		return "", err
	}
	if failure != "" {
		if len(failures) > 0 {
			failure += "\nThese did not compile:\n" + strings.Join(failures[:min(len(failures), 10)], "\n")
		}
		return "", b.broken("it does not link", failure, addScript)
	}
	return program, nil
}

// sources lists the files to compile beside the harness, and the directories of headers as flags.
func (b *Build) sources(ctx context.Context) (files, include []string, err error) {
	home := path.Dir(b.Harness.File)
	dirs := map[string]bool{}
	all := slices.Concat(CExtensions, CXXExtensions, headers)
	err = source.Each(ctx, b.Dir, all, func(f source.File) {
		dir := path.Dir(f.Path)
		if slices.Contains(headers, path.Ext(f.Path)) {
			dirs[dir] = true
			return
		}
		if f.Path == b.Harness.File || dir != home && slices.ContainsFunc(strings.Split(dir, "/"), func(d string) bool { return slices.Contains(beside, d) }) {
			return
		}
		text := source.Bare(f.Text)
		if source.Defines(text, Entry) < 0 && source.Defines(text, "main") < 0 {
			files = append(files, f.Path)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	if len(files) > maxSources {
		return nil, nil, b.broken("the project is too large to be compiled without a script", fmt.Sprintf("it has %d sources", len(files)), addScript)
	}
	// Where headers lie by convention comes first; the other directories come after
	// the system's, so that a project's own string.h replaces none.
	for dir := home; ; dir = path.Dir(dir) {
		include = append(include, "-I"+dir)
		if dir == "." {
			break
		}
	}
	for _, d := range []string{"include", "inc", "src", "lib"} {
		include = append(include, "-I"+d)
	}
	others := slices.Sorted(maps.Keys(dirs))
	slices.SortStableFunc(others, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	for _, d := range others[:min(len(others), maxInclude)] {
		include = append(include, "-idirafter", d)
	}
	return files, include, nil
}

// compile compiles one file of the project.
func (b *Build) compile(ctx context.Context, file, object string, include []string) (failure string, err error) {
	args := []string{b.CC}
	if isCXX(file) {
		args = []string{b.CXX, "-std=gnu++17"} // the default of the versions to come
	}
	if strings.HasPrefix(file, "-") || strings.HasPrefix(file, "@") { // no flag, nor a file of flags
		file = "./" + file
	}
	args = slices.Concat(args, b.Flags, include, []string{"-w", "-o", object, "-c", file})
	return b.run(ctx, fuzz.Command{Args: args})
}

// compileAll compiles the files, several at once, and returns the objects and what
// was said of those that failed.
func (b *Build) compileAll(ctx context.Context, files []string, objects string, include []string) (compiled, failures []string, err error) {
	quiet := *b // several compilers would write to one log at once
	quiet.Log = io.Discard
	failure := make([]string, len(files))
	errs := make([]error, len(files))
	object := func(i int) string { return filepath.Join(objects, fmt.Sprintf("%d.o", i)) }
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, f := range files {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			failure[i], errs[i] = quiet.compile(ctx, f, object(i), include)
		})
	}
	wg.Wait()
	for i, f := range files {
		if failure[i] == "" {
			compiled = append(compiled, object(i))
			continue
		}
		problem := f + ": " + firstError(failure[i])
		fmt.Fprintf(b.Log, "Left out: %s\n", problem)
		failures = append(failures, problem)
	}
	return compiled, failures, errors.Join(errs...)
}

// firstError is the first line of a compiler's output that is an error.
func firstError(said string) string {
	for line := range strings.SplitSeq(said, "\n") {
		if strings.Contains(line, "error: ") {
			return line[strings.Index(line, "error: "):]
		}
	}
	return "no error was told"
}
