// Package naive is a cache in Python as one writes it first: what measurements hold
// Cordon against.
package naive

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

//go:embed naive.py
var script []byte

// Write writes the program into dir and returns its path.
func Write(dir string) (string, error) {
	path := filepath.Join(dir, "naive.py")
	return path, os.WriteFile(path, script, 0o644)
}

// Run runs a command of the program at path, and decodes what it says.
func Run(ctx context.Context, path string, says any, args ...string) error {
	out, err := lab.Output(ctx, lab.PythonPath(), append([]string{"-W", "ignore", path}, args...)...)
	if err == nil {
		err = json.Unmarshal([]byte(out), says)
	}
	if err != nil {
		return fmt.Errorf("naive.py %s: %w", args[0], err)
	}
	return nil
}
