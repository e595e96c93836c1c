package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// command runs a program; its error says what it said.
func command(ctx context.Context, name string, args ...string) error {
	return commandIn(ctx, "", name, args...)
}

func commandIn(ctx context.Context, dir, name string, args ...string) error {
	_, err := start(ctx, dir, name, args...)
	return err
}

// output runs a program and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
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
