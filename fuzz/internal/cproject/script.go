package cproject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// Scripts are where a project's build script may lie, the first one first.
var Scripts = []string{
	".clusterfuzzlite/build.sh", "fuzz/build.sh", "fuzzing/build.sh", "oss-fuzz/build.sh",
	"fuzz/oss-fuzz.sh", "fuzz/ossfuzz.sh", "fuzzing/oss-fuzz.sh", "fuzzing/ossfuzz.sh", "test/fuzz/build.sh", "tests/fuzz/build.sh", "build.sh",
}

// maxLinks is how many uses of SRC in a script are looked at.
const maxLinks = 1000

// libFuzzingEngine is the variable that a script cannot do without.
const libFuzzingEngine = "LIB_FUZZING_ENGINE"

// script returns the project's build script, relative to it, or "".
func (b *Build) script(ctx context.Context) (string, error) {
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

// done is a file beside OUT that says that the script came to its end.
const done = "done"

// byScript runs the script, unless that was done already for another harness, and
// returns the program that it has made of this one.
func (b *Build) byScript(ctx context.Context, script string) (string, error) {
	d, err := scratch.Keep(b.Dir, b.Out, "script-"+source.Plain(b.Engine+"-"+b.Sanitizer))
	if err != nil {
		return "", fmt.Errorf("building %q: %w", b.Harness.Name, err)
	}
	defer d.Close()
	out := filepath.Join(d.Path(), "out")
	if !scratch.IsFile(b.Dir, filepath.Join(d.Path(), done)) {
		if err := b.runScript(ctx, script, d); err != nil {
			return "", err
		}
		if _, err := d.Write(done, nil, 0o644); err != nil {
			return "", fmt.Errorf("building %q: %w", b.Harness.Name, err)
		}
	}
	programs := b.programs(out)
	base := strings.TrimSuffix(path.Base(b.Harness.File), path.Ext(b.Harness.File))
	for _, name := range []string{base, strings.ReplaceAll(base, "_", "-"), strings.ReplaceAll(base, "-", "_"), b.Harness.Name} {
		if slices.Contains(programs, name) {
			return filepath.Join(out, name), nil
		}
	}
	// Whatever it is called, it is the only one.
	if len(programs) == 1 {
		if hs, err := Discover(ctx, b.Dir); err == nil && len(hs) == 1 {
			return filepath.Join(out, programs[0]), nil
		}
	}
	return "", b.broken(script+" left no program called "+base+" in $OUT", fmt.Sprintf("there are %q", programs), "let the script name the program like the harness's file")
}

// runScript runs the script with the directories that it expects.
func (b *Build) runScript(ctx context.Context, script string, d *scratch.Dir) error {
	dirs := map[string]string{}
	for _, name := range []string{"out", "work", "src"} {
		path, err := d.Sub(name)
		if err != nil {
			return fmt.Errorf("building %q: %w", b.Harness.Name, err)
		}
		dirs[name] = path
	}
	if err := b.linkSources(script, d); err != nil {
		return fmt.Errorf("building %q: %w", b.Harness.Name, err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		return b.broken("there is no bash for "+script, err.Error(), "install the Debian package bash on the worker")
	}
	flags := strings.Join(b.Flags, " ")
	failure, err := b.run(ctx, fuzz.Command{
		Args: []string{bash, "-eu", "./" + script},
		Env: []string{
			"CC=" + b.CC, "CXX=" + b.CXX, "CFLAGS=" + flags, "CXXFLAGS=" + flags,
			libFuzzingEngine + "=" + strings.Join(b.Link, " "), "FUZZING_ENGINE=" + b.Engine, "FUZZING_LANGUAGE=c++", "ARCHITECTURE=x86_64",
			"SANITIZER=" + b.Sanitizer, "SRC=" + dirs["src"], "WORK=" + dirs["work"], "OUT=" + dirs["out"],
		},
		Building: true,
	})
	if err != nil {
		return err
	}
	if failure != "" {
		return b.broken(script+" failed", failure, "make the script work with the "+filepath.Base(b.CC)+" of the worker")
	}
	return nil
}

// inSource matches the name behind SRC in a script.
var inSource = regexp.MustCompile(`\$(?:SRC|\{SRC\})"?/([A-Za-z0-9_][A-Za-z0-9_.+-]*)`)

// linkSources makes SRC. In OSS-Fuzz it is the directory above the project, of a name
// that only its Dockerfile knows; in scripts of other people it is the project. So there is
// a link in it for each name that the script uses: to what has that name in the project,
// or else to the project.
func (b *Build) linkSources(script string, d *scratch.Dir) error {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	text, err := scratch.Read(b.Dir, filepath.Join(b.Dir, script), source.MaxFile)
	if err != nil {
		return err
	}
	linked := map[string]bool{}
	for _, m := range inSource.FindAllSubmatch(text, maxLinks) {
		name := string(m[1])
		if linked[name] {
			continue
		}
		linked[name] = true
		to := b.Dir
		if _, err := root.Lstat(name); err == nil {
			to = filepath.Join(b.Dir, name)
		}
		// One of an attempt that was cut short leads to the same.
		if err := d.Link(filepath.Join("src", name), to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// programs lists what the script left in OUT that can be executed.
func (b *Build) programs(out string) []string {
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	rel, err := filepath.Rel(b.Dir, out)
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
