package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxArgument bounds a filled-in argument, in bytes: the kernel takes 128 KiB
// (MAX_ARG_STRLEN), and no parameter of an honest run comes near.
const maxArgument = 32 << 10

// Dirs are what the placeholders of directories stand for in one run.
type Dirs struct{ Workspace, Output string }

// Command returns the arguments and the environment of the workflow's tool, which
// it must have. given are the JSON texts of the workflow's arguments after the
// target id, in the order of Parameters; one that is missing or null has its
// default (see Arguments).
//
// The errors are InvalidArgument *cordon.Error: a value that does not fit its
// schema, a used parameter without a value, and a value that the tool would take
// for an option, unless its schema lists it.
func (w Workflow) Command(dirs Dirs, given []json.RawMessage) (args, env []string, err error) {
	values, err := w.values(given)
	if err != nil {
		return nil, nil, err
	}
	value := func(name string) (string, error) {
		switch name {
		case WorkspacePlaceholder:
			return dirs.Workspace, nil
		case OutputPlaceholder:
			return dirs.Output, nil
		case WorkflowPlaceholder:
			return filepath.Dir(w.File), nil
		}
		param := strings.TrimPrefix(name, ParamPrefix)
		text, err := plainText(values[param])
		if err != nil {
			return "", w.parameterError(param, err, "give it with --param, or a default in "+w.File)
		}
		return text, nil
	}
	for _, t := range w.Tool.Args {
		arg, err := t.Fill(value)
		if err == nil {
			err = w.checkArgument(t, arg, values)
		}
		if err != nil {
			return nil, nil, err
		}
		args = append(args, arg)
	}
	for _, v := range w.Tool.Env {
		text, err := v.Value.Fill(value)
		if err == nil && (len(text) > maxArgument || strings.ContainsRune(text, 0)) {
			err = w.parameterError(v.Name, errors.New("the variable is too long, or has a NUL"), "")
		}
		if err != nil {
			return nil, nil, err
		}
		env = append(env, v.Name+"="+text)
	}
	return args, env, nil
}

// values returns the parameters' values by name, checked.
func (w Workflow) values(given []json.RawMessage) (map[string]any, error) {
	out := make(map[string]any, len(w.Parameters))
	for i, p := range w.Parameters {
		v, _ := w.defaultOf(p)
		if i < len(given) && len(given[i]) > 0 && string(given[i]) != "null" {
			var err error
			if v, err = decodeJSON(string(given[i])); err == nil {
				err = p.check(v)
			}
			if err != nil {
				return nil, w.parameterError(p.Name, err, "")
			}
		}
		out[p.Name] = v
	}
	return out, nil
}

// checkArgument refuses what would reach the tool as something else than its author
// wrote: a parameter that turns into an option.
func (w Workflow) checkArgument(t Template, arg string, values map[string]any) error {
	param, ok := strings.CutPrefix(t.Leads(), ParamPrefix)
	switch {
	case len(arg) > maxArgument:
		return w.parameterError(t.String(), fmt.Errorf("the argument has %d bytes; at most %d are passed on", len(arg), maxArgument), "")
	case strings.ContainsRune(arg, 0):
		return w.parameterError(t.String(), errors.New("the argument has a NUL"), "leave it out")
	case !ok || !strings.HasPrefix(arg, "-"):
		return nil
	}
	v := values[param]
	if _, number := asNumber(v); number {
		return nil
	}
	p := w.Parameters[slices.IndexFunc(w.Parameters, func(p Parameter) bool { return p.Name == param })]
	if slices.ContainsFunc(p.Enum, func(e any) bool { return render(e) == render(v) }) {
		return nil
	}
	return w.parameterError(param, errors.New("it begins with '-', and the tool would take it for an option"),
		"write ./-… for a file, or list the value in the parameter's enum in "+w.File)
}

// plainText spells a value as an argument.
func plainText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", errors.New("it has no value, and the tool needs one")
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	}
	return "", errors.New("it is a list or an object, which is no argument")
}
