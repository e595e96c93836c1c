package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

//go:embed fetch.py
var fetchScript string

// pythonWithBoto returns a Python that has boto3. Its environment is made once,
// in the user's cache folder, of the first Python that can extract with a filter.
func pythonWithBoto(ctx context.Context) (string, error) {
	keep, err := lab.KeepDir()
	if err != nil {
		return "", err
	}
	venv := filepath.Join(keep, "python-boto3")
	python := filepath.Join(venv, "bin", "python")
	if hasBoto(ctx, python) == nil {
		return python, nil
	}
	if err := os.RemoveAll(venv); err != nil {
		return "", err
	}
	base := lab.PythonPath()
	if filters(ctx, base) != nil && filters(ctx, "python3") == nil {
		base = "python3"
	}
	if err := lab.Command(ctx, base, "-m", "venv", venv); err != nil {
		return "", fmt.Errorf("no environment for boto3: %w", err)
	}
	if err := lab.Command(ctx, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "boto3"); err != nil {
		return "", fmt.Errorf("no boto3: %w", err)
	}
	return python, hasBoto(ctx, python)
}

func hasBoto(ctx context.Context, python string) error {
	return lab.Command(ctx, python, "-c", "import boto3")
}

// filters fails where python extracts archives without looking what is in them.
func filters(ctx context.Context, python string) error {
	return lab.Command(ctx, python, "-c", "import tarfile; tarfile.data_filter")
}
