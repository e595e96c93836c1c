// Package engines knows the fuzzers that Cordon drives.
package engines

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/aflpp"
	"github.com/cordonlabs/cordon/fuzz/atheris"
	"github.com/cordonlabs/cordon/fuzz/cargofuzz"
	"github.com/cordonlabs/cordon/fuzz/gofuzz"
	"github.com/cordonlabs/cordon/fuzz/libfuzzer"
)

// Options say where engines find their tools.
type Options struct {
	Python string // that has Atheris (CORDON_PYTHON); "": the first in PATH that has it
}

// All returns every engine.
func All(o Options) []fuzz.Engine {
	return []fuzz.Engine{aflpp.Engine{}, atheris.Engine{Python: o.Python}, cargofuzz.Engine{}, gofuzz.Engine{}, libfuzzer.Engine{}}
}

// ByName returns the engine of that name among all. The error is an InvalidArgument that
// lists them.
func ByName(all []fuzz.Engine, name string) (fuzz.Engine, error) {
	var names []string
	for _, e := range all {
		if e.Name() == name {
			return e, nil
		}
		names = append(names, e.Name())
	}
	return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "choose fuzzing engine", Name: fmt.Sprintf("%.60q", name),
		Err: fmt.Errorf("there is none of that name"), Fix: "use one of " + strings.Join(names, ", ")}
}
