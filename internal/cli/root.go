package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/metadata"
)

// rootCommand builds the tree of commands.
func (a *app) rootCommand() *cobra.Command {
	root := a.group("cordon", "Workspaces for security tools: every run gets a target of its own, cached, kept apart, cleaned up",
		`  cordon run security_assessment ./project    analyse a folder; nothing else is needed
  cordon dev                                  Temporal, its UI and workers, until Ctrl-C
  cordon targets put ./project                upload a folder, print its target id
  cordon get TARGET_ID --run my-run           a workspace without Temporal, print its path`)
	root.AddCommand(
		a.runCommand(), a.devCommand(), a.workerCommand(), a.workflowsCommand(), a.targetsCommand(),
		a.crashesCommand(), a.corpusCommand(), a.getCommand(), a.cleanupCommand(), a.workspaceCommand(),
		a.cacheCommand(), a.topCommand(), a.configCommand(), a.doctorCommand(), a.completionCommand(), a.manCommand(), a.versionCommand(),
	)
	root.SilenceErrors, root.SilenceUsage = true, true
	a.addCompletions(root)
	root.SetOut(a.screen.out)
	root.SetErr(a.screen.err)
	return root
}

// group makes a command that only has commands below it.
func (a *app) group(use, short, example string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var known []string
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() {
					known = append(known, c.Name())
				}
			}
			if near := metadata.Nearest(args[0], known); near != "" {
				return fmt.Errorf("%s has no command %q; did you mean %q?", cmd.CommandPath(), args[0], near)
			}
			return fmt.Errorf("%s has no command %q; it has %s", cmd.CommandPath(), args[0], strings.Join(known, ", "))
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
}

// exactly requires the arguments that names lists.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s: %s is missing", cmd.CommandPath(), names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("%s: unexpected argument %q", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// does makes what a command runs: an error of it is not one of its usage.
func does(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &ranError{err}
		}
		return nil
	}
}

// printJSON prints v as the one value of --json.
func (a *app) printJSON(v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	a.print("%s", strings.TrimSuffix(b.String(), "\n"))
	return nil
}

// jsonFlag adds --json to a command.
func jsonFlag(cmd *cobra.Command, into *bool) {
	cmd.Flags().BoolVar(into, "json", false, "print JSON")
}
