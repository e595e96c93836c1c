package metadata

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Arguments returns what a client passes to the workflow: the target id, then
// every parameter in the metadata's order (CONTRACT §3). given holds values as
// they stand on a command line; each is converted to its schema's type. A
// parameter that is not given has the default of its schema, else the one of
// default_parameters, else nil.
//
// The error joins one *cordon.Error of kind InvalidArgument for each unknown
// name, each value that does not fit, and each required parameter without a
// value. Defaults are shared with w: the caller must not modify them.
func (w Workflow) Arguments(targetID string, given map[string]string) ([]any, error) {
	args := []any{targetID}
	var problems []error
	for _, p := range w.Parameters {
		text, ok := given[p.Name]
		if !ok {
			v, ok := w.defaultOf(p)
			if p.Required && !ok {
				problems = append(problems, w.parameterError(p.Name, errors.New("a value is required"),
					fmt.Sprintf("give --param %s=VALUE", p.Name)))
			}
			args = append(args, v)
			continue
		}
		v, err := p.convert(text)
		if err != nil {
			problems = append(problems, w.parameterError(p.Name, err, ""))
		}
		args = append(args, v)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.ContainsFunc(w.Parameters, func(p Parameter) bool { return p.Name == name }) {
			problems = append(problems, w.unknownParameter(name))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return args, nil
}

func (w Workflow) defaultOf(p Parameter) (any, bool) {
	if p.HasDefault {
		return p.Default, true
	}
	v, ok := w.DefaultParameters[p.Name]
	return v, ok
}

func (w Workflow) unknownParameter(name string) error {
	known := make([]string, len(w.Parameters))
	for i, p := range w.Parameters {
		known[i] = p.Name
	}
	if len(known) == 0 {
		return w.parameterError(name, errors.New("the workflow takes no parameters"), "leave it out")
	}
	fix := "use one of " + strings.Join(known, ", ")
	if near := Nearest(name, known); near != "" {
		fix = fmt.Sprintf("did you mean %s? The known ones are %s", near, strings.Join(known, ", "))
	}
	return w.parameterError(name, fmt.Errorf("%s has no such parameter", w.Name), fix)
}

func (w Workflow) parameterError(name string, err error, fix string) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "set parameter", Name: fmt.Sprintf("%q", name), Err: err, Fix: fix}
}
