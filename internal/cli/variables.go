package cli

import "github.com/spf13/cobra"

// variables are flags that say the same as an environment variable, by its name.
type variables map[string]*string

// flag adds one to a command.
func (v variables) flag(cmd *cobra.Command, name, variable, usage string) {
	v[variable] = cmd.Flags().String(name, "", usage)
}

// before puts the flags that were given before the environment.
func (v variables) before(getenv func(string) string) func(string) string {
	return func(name string) string {
		if value := v[name]; value != nil && *value != "" {
			return *value
		}
		return getenv(name)
	}
}
