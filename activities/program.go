package activities

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// program is where a tool is installed on this host.
type program struct {
	path     string   // as it is started
	readable []string // what of it lies outside of the system's own directories
}

// findProgram looks name up in this worker's PATH, as a shell would: the confinement
// has only the system's. What names a path is taken as it is.
//
// A tool that is installed for one user is a link to its file, or a script in a
// Python environment, which is all of a directory; those become readable. What else
// it needs its workflow lists.
func findProgram(w metadata.Workflow, name string) (program, error) {
	found := name
	if !strings.Contains(name, "/") {
		var err error
		if found, err = exec.LookPath(name); err != nil {
			return program{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "run", Name: fmt.Sprintf("%.80q", name),
				Err: errors.New("it is not installed on this worker: it is not in its PATH"),
				Fix: "install it where the workers run, or name its path in run in " + w.File}
		}
	}
	p := program{path: found}
	if !filepath.IsAbs(found) {
		return p, nil // relative to the workspace
	}
	real, err := filepath.EvalSymlinks(found)
	if err != nil {
		return p, nil // in the workspace, or missing: the confinement says which
	}
	for _, file := range []string{found, real} {
		if !ofSystem(file) {
			p.readable = append(p.readable, file)
		}
	}
	for _, bin := range []string{filepath.Dir(found), filepath.Dir(real)} {
		p.readable = append(p.readable, pythonEnvironment(filepath.Dir(bin))...)
	}
	return p, nil
}

// systemDirs are where a confined tool sees the host's own programs.
var systemDirs = []string{"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/"}

func ofSystem(path string) bool {
	for _, dir := range systemDirs {
		if strings.HasPrefix(path, dir) {
			return true
		}
	}
	return false
}

// pythonEnvironment returns what a script in the Python environment dir needs: the
// environment, and the Python that it was made of (PEP 405). Nothing where dir is
// none, or the system's.
func pythonEnvironment(dir string) []string {
	f, err := os.Open(filepath.Join(dir, "pyvenv.cfg"))
	if err != nil {
		return nil
	}
	defer f.Close()
	out := []string{dir}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		home := strings.TrimSpace(value)
		if strings.TrimSpace(key) == "home" && filepath.IsAbs(home) && !ofSystem(home+"/") {
			out = append(out, filepath.Dir(home))
		}
	}
	return out
}
