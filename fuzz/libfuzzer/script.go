package libfuzzer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Scripts are where a project's build script may lie, the first one first.
var Scripts = []string{
	".clusterfuzzlite/build.sh", "fuzz/build.sh", "fuzzing/build.sh", "oss-fuzz/build.sh",
	"fuzz/oss-fuzz.sh", "fuzz/ossfuzz.sh", "test/fuzz/build.sh", "tests/fuzz/build.sh", "build.sh",
}

// libFuzzingEngine is the variable that a script cannot do without.
const libFuzzingEngine = "LIB_FUZZING_ENGINE"

// script returns the project's build script, relative to it, or "".
func (b *build) script(ctx context.Context) (string, error) {
	tree, err := analyze.OpenTree(b.Dir)
	if err != nil {
		return "", err
	}
	defer tree.Close()
	for _, s := range Scripts {
		text, err := tree.ReadFile(s, source.MaxFile)
		if err == nil && bytes.Contains(text, []byte(libFuzzingEngine)) {
			return s, ctx.Err()
		}
	}
	return "", ctx.Err()
}

// byScript runs the script and returns the program that it has made of the harness.
func (b *build) byScript(ctx context.Context, script string) (string, error) {
	out, err := b.out.Sub("out")
	if err != nil {
		return "", err
	}
	work, err := b.out.Sub("work")
	if err != nil {
		return "", err
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		return "", b.broken("there is no bash for "+script, err.Error(), "install the Debian package bash on the worker")
	}
	flags := strings.Join(b.cFlags(), " ")
	failure, err := b.run(ctx, fuzz.Command{
		Args: []string{bash, "-eu", "./" + script},
		Env: []string{
			"CC=" + b.clang.cc, "CXX=" + b.clang.cxx, "CFLAGS=" + flags, "CXXFLAGS=" + flags,
			libFuzzingEngine + "=-fsanitize=fuzzer", "FUZZING_ENGINE=libfuzzer", "FUZZING_LANGUAGE=c++", "ARCHITECTURE=x86_64",
			"SANITIZER=" + b.san.name, "SRC=" + b.Dir, "WORK=" + work, "OUT=" + out,
		},
		Building: true,
	})
	if err != nil {
		return "", err
	}
	if failure != "" {
		return "", b.broken(script+" failed", failure, "make the script work with the clang of the worker")
	}
	programs := b.programs()
	base := strings.TrimSuffix(path.Base(b.harness.File), path.Ext(b.harness.File))
	for _, name := range []string{base, strings.ReplaceAll(base, "_", "-"), strings.ReplaceAll(base, "-", "_"), b.harness.Name} {
		if slices.Contains(programs, name) {
			return filepath.Join(out, name), nil
		}
	}
	// Whatever it is called, it is the only one.
	if len(programs) == 1 {
		if hs, err := (Engine{}).Discover(ctx, b.Dir); err == nil && len(hs) == 1 {
			return filepath.Join(out, programs[0]), nil
		}
	}
	return "", b.broken(script+" left no program called "+base+" in $OUT", fmt.Sprintf("there are %q", programs), "let the script name the program like the harness's file")
}

// programs lists what the script left in OUT that can be executed.
func (b *build) programs() []string {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	rel, err := filepath.Rel(b.Dir, filepath.Join(b.out.Path(), "out"))
	if err != nil {
		return nil
	}
	dir, err := root.Open(rel)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(10_000) // what was read before an error is enough
	var names []string
	for _, e := range entries {
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() && st.Mode()&0o100 != 0 {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}
