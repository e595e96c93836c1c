package gofuzz

import (
	"context"
	"os"

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
	// Nothing is built, and below this Go cannot keep the counts of its commands either,
	// which no variable turns off.
	return t.version(ctx, run, environment(os.DevNull))
}
