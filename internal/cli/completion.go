package cli

import (
	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
)

// shells are those that complete, each with how its script is written.
var shells = map[string]func(root *cobra.Command, a *app) error{
	"bash":       func(root *cobra.Command, a *app) error { return root.GenBashCompletionV2(a.screen.out, true) },
	"zsh":        func(root *cobra.Command, a *app) error { return root.GenZshCompletion(a.screen.out) },
	"fish":       func(root *cobra.Command, a *app) error { return root.GenFishCompletion(a.screen.out, true) },
	"powershell": func(root *cobra.Command, a *app) error { return root.GenPowerShellCompletionWithDesc(a.screen.out) },
}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print what makes a shell complete commands, flags and names", Args: exactly("SHELL"),
		Long: `Completion prints a script for bash, zsh, fish or powershell. With it the shell completes commands and
flags, and also the names of workflows, the ids of targets, crashes and runs, and the keys of cache entries: it asks
this program for them, which looks into the store and the cache that the rest of the line names.

The script for bash needs the package bash-completion.`,
		Example: `  source <(cordon completion bash)                                               # in ~/.bashrc
  cordon completion bash > /etc/bash_completion.d/cordon                         # for everybody
  cordon completion zsh > "${fpath[1]}/_cordon"
  cordon completion fish > ~/.config/fish/completions/cordon.fish
  cordon completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: does(func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return &cordon.Error{Kind: cordon.InvalidArgument, Op: "complete in", Name: args[0], Err: errNoShell, Fix: "use bash, zsh, fish or powershell"}
			}
			return write(cmd.Root(), a)
		}),
	}
}
