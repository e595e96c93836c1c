package libfuzzer

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/cproject"
)

// Engine is libFuzzer. Its zero value is ready to use.
type Engine struct{}

var _ fuzz.Engine = Engine{}

// Name implements fuzz.Engine.
func (Engine) Name() string { return "libfuzzer" }

// Version implements fuzz.Engine.
func (Engine) Version(ctx context.Context, run fuzz.Runner) (string, error) {
	c, err := find(ctx, run)
	if err != nil {
		return "", err
	}
	return c.version, nil
}

// Discover implements fuzz.Engine.
func (Engine) Discover(ctx context.Context, dir string) ([]fuzz.Harness, error) {
	return cproject.Discover(ctx, dir)
}
