package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Command runs a program; its error says what it said.
func Command(ctx context.Context, name string, args ...string) error {
	return CommandIn(ctx, "", name, args...)
}

// CommandIn runs a program in the directory dir.
func CommandIn(ctx context.Context, dir, name string, args ...string) error {
	_, err := start(ctx, dir, name, args...)
	return err
}

// Output runs a program and returns what it prints.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	return start(ctx, "", name, args...)
}

func start(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	c.Env = append(os.Environ(), "LC_ALL=C") // messages in one language, and grep without a locale's price
	if err := c.Run(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("%s: %w: %s", c, err, said)
	}
	return out.String(), nil
}

// PythonPath is the system's Python: one in PATH may be a script that starts another.
func PythonPath() string {
	const system = "/usr/bin/python3"
	if _, err := os.Stat(system); err != nil {
		return "python3"
	}
	return system
}
