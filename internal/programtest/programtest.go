// Package programtest has the program that tests run as users do.
package programtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find returns where cordon is: what CORDON_TEST_BINARY names, or one that is built for this
// run. remove deletes the latter.
func Find() (path string, remove func(), err error) {
	if path = os.Getenv("CORDON_TEST_BINARY"); path != "" {
		return path, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "cordon-program-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // nothing is wrong with the program if its copy stays
	path = filepath.Join(dir, "cordon")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/cordonlabs/cordon/cmd/cordon").CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, remove, nil
}

// Run gives tests what Find returns, and returns their exit code.
func Run(tests func(binary string) int) int {
	path, remove, err := Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	return tests(path)
}
