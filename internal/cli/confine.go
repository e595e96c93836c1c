package cli

import (
	"context"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/confined"
	"github.com/cordonlabs/cordon/fuzz/engines"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/sandbox"
)

// realFuzzers are the engines, and the sandbox in which what they start runs here.
func realFuzzers(getenv func(string) string) fuzzers {
	return fuzzers{
		engine: func(name string) (fuzz.Engine, error) {
			return engines.ByName(engines.All(engines.Options{Python: getenv("CORDON_PYTHON")}), name)
		},
		confine: func(_ context.Context, dir string) (fuzz.Runner, func(), error) {
			if _, err := config.FromEnv(getenv); err != nil {
				return nil, nil, err
			}
			box, err := sandbox.New(sandbox.Options{})
			if err != nil {
				return nil, nil, err
			}
			return &confined.Runner{Sandbox: box, Workspace: dir, Network: metadata.NetworkBuild}, func() {}, nil
		},
	}
}
