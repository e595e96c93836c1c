package fuzzforge

import (
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities/arguments"
)

// call is the arguments of one that takes a workspace and a config, both positional.
type call struct {
	path   string
	config arguments.Arguments // its keys are called "config.…"
}

// decode reads the two. keys says what the config may have, for whoever got one wrong;
// others are ignored, for older clients send many.
func decode(op, keys string, workspacePath, config converter.RawValue) (c call, err error) {
	args, err := arguments.Decode(arguments.Signature{
		Op: op, Names: []string{"workspace_path", "config"}, Usage: "call it with workspace_path (string) and config (object with " + keys + ")",
	}, workspacePath, config)
	if err != nil {
		return c, err
	}
	if c.path, err = args.Text("workspace_path"); err != nil {
		return c, err
	}
	if c.path == "" {
		return c, args.Wrong("workspace_path", "is missing")
	}
	c.config, err = args.Fields("config")
	return c, err
}
