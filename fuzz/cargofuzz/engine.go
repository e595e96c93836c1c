package cargofuzz

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
)

// Engine is libFuzzer for Rust. Its zero value is ready to use.
type Engine struct{}

var _ fuzz.Engine = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "cargo-fuzz" }

// Version implements fuzz.Engine.
func (Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	t, err := find(ctx, run)
	if err != nil {
		return "", err
	}
	return t.version, nil
}

// Discover implements fuzz.Engine.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	targets, err := discover(ctx, dir)
	if err != nil {
		return nil, err
	}
	var hs []fuzz.Harness
	for _, t := range targets {
		hs = append(hs, t.Harness)
	}
	return hs, nil
}
