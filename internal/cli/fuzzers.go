package cli

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
)

// fuzzers is what reproducing a crash needs of the fuzzing engines.
type fuzzers struct {
	// engine returns the engine of that name, or an InvalidArgument *cordon.Error that
	// lists those that there are.
	engine func(name string) (fuzz.Engine, error)

	// confine returns a runner whose processes see the workspace at dir, and a function
	// that ends what is left of it.
	confine func(ctx context.Context, dir string) (run fuzz.Runner, done func(), err error)
}
