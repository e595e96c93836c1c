package gofuzz

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
)

// Engine is fuzz.Engine for Go's own fuzzer.
type Engine struct{}

var _ fuzz.OwnSeeds = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "go" }

// OwnSeeds implements fuzz.OwnSeeds: see the package comment.
func (Engine) OwnSeeds() {}

// Version implements fuzz.Engine.
func (Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	t, err := findToolchain()
	if err != nil {
		return "", err
	}
	// Nothing is built, so nothing is written to the directories that are named here.
	return t.version(ctx, run, environment("/nonexistent"))
}
