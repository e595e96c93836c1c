package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

//go:embed naive.py
var naiveScript []byte

// writeNaive writes the Python cache into dir and returns where it is.
func writeNaive(dir string) (string, error) {
	path := filepath.Join(dir, "naive.py")
	return path, os.WriteFile(path, naiveScript, 0o644)
}

// naive runs a command of the Python cache.
func (b *bench) naive(ctx context.Context, args ...string) (a answer, err error) {
	out, err := lab.Output(ctx, lab.PythonPath(), append([]string{"-W", "ignore", b.script}, args...)...)
	if err == nil {
		err = json.Unmarshal([]byte(out), &a)
	}
	if err != nil {
		return a, fmt.Errorf("naive.py %s: %w", args[0], err)
	}
	return a, nil
}

// noLimit is more than any cache has here, in bytes.
const noLimit = "1000000000000000"

// timed runs a program and returns how many seconds it took, its start included.
func timed(ctx context.Context, name string, args ...string) (float64, error) {
	start := time.Now()
	err := lab.Command(ctx, name, args...)
	return time.Since(start).Seconds(), err
}
