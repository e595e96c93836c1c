package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon/internal/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := a.group("config", "Show the settings, and who says so", "  cordon config show --origin\n  cordon config example > cordon.env")
	cmd.AddCommand(a.configShow(), a.configExample())
	return cmd
}

func (a *app) configShow() *cobra.Command {
	var origin, asJSON bool
	cmd := &cobra.Command{
		Use: "show", Short: "Show every setting that a worker with this environment and these flags would have", Args: exactly(),
		Long: `Show prints every setting: with --origin also who says so, which is a flag, a variable, a profile of
Temporal's configuration file, or the default, in this order. It takes the flags of 'cordon worker'.
Credentials are not shown. A setting that cannot be used is shown with the reason, below the others;
then the exit code is 2. Nothing is opened and nobody is called: that is what 'cordon doctor' does.`,
		Example: `  cordon config show --origin
  cordon config show --data ~/.cache/cordon      # the places of 'cordon run' and 'cordon dev'
  CACHE_TTL=soon cordon config show              # says what is wrong
  cordon config show --json | jq -r '.[] | select(.origin != "default") | .name'`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			settings := a.readSettings(cmd.Flags())
			if asJSON {
				if err := a.printJSON(settings); err != nil {
					return err
				}
			} else {
				a.printSettings(settings, origin)
			}
			return a.wrongSettings(settings)
		}),
	}
	cmd.Flags().AddFlagSet(a.workerCommand().Flags())
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readSettings returns the settings as `cordon worker` would take them from its flags
// and the environment.
func (a *app) readSettings(flags *pflag.FlagSet) []config.Setting {
	given := map[string]string{}
	flags.Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	settings := config.Settings(given, a.environ)
	p := places{data: given["data"], store: given["store"], cache: given["cache-dir"]}
	for i := range settings {
		s := &settings[i]
		switch {
		case p.store != "" && strings.HasPrefix(s.Name, "S3_"):
			if s.Origin != config.FromDefault {
				s.Unused = "--store is given"
			}
		case s.Name == "CACHE_DIR" && p.cache == "" && p.data != "":
			s.Value, s.Origin, s.Source = p.below(cacheFolder), config.FromFlag, "--data"
		case s.Name == "CORDON_STORE" && p.store == "":
			a.placeStore(s, p)
		}
	}
	return settings
}

// placeStore says of the directory store where it is, and whether it is one.
func (a *app) placeStore(s *config.Setting, p places) {
	switch {
	case a.getenv("S3_ENDPOINT") != "":
		if s.Origin != config.FromDefault {
			s.Unused = "S3_ENDPOINT is set"
		}
	case p.data != "":
		s.Value, s.Origin, s.Source = p.below(storeFolder), config.FromFlag, "--data"
	case s.Origin == config.FromDefault:
		s.Value = p.below(storeFolder)
	}
}

// origins are what people read of where a setting comes from.
var origins = map[config.Origin]string{
	config.FromFlag: "flag", config.FromVariable: "variable", config.FromProfile: "profile", config.FromDefault: "default",
}

func (a *app) printSettings(settings []config.Setting, origin bool) {
	head := []string{"SETTING", "VALUE"}
	if origin {
		head = append(head, "ORIGIN")
	}
	t := newTable(head...)
	for _, s := range settings {
		value := plain(s.Value)
		switch {
		case s.Problem != "":
			value = a.paintOut(red, "✗ "+value)
		case value == "":
			value = "–"
		}
		row := []string{s.Name, value}
		if origin {
			row = append(row, originWords(s))
		}
		t.add(row...)
	}
	a.printTable(t)
}

// originWords says where a setting comes from, and whether it has an effect.
func originWords(s config.Setting) string {
	words := origins[s.Origin]
	if s.Source != "" {
		words += " " + plain(s.Source)
	}
	if s.Unused != "" {
		words += "; no effect: " + s.Unused
	}
	return words
}

// wrongSettings fails where a setting cannot be used, and says of each why.
func (a *app) wrongSettings(settings []config.Setting) error {
	wrong := 0
	for _, s := range settings {
		if s.Problem == "" {
			continue
		}
		wrong++
		line := fmt.Sprintf("%s %s: %s", a.paintErr(red, "✗"), s.Name, plainLines(s.Problem))
		if s.Fix != "" {
			line += "; " + plainLines(s.Fix)
		}
		a.say("%s", line)
	}
	if wrong == 0 {
		return nil
	}
	return &codeError{fmt.Errorf("%s cannot be used: a worker with these would not start", count(wrong, "setting", "settings")), ExitUsage}
}

func (a *app) configExample() *cobra.Command {
	return &cobra.Command{
		Use: "example", Short: "Print a file with every variable, its default and what it says", Args: exactly(),
		Long: `Example prints an environment file, as systemd's EnvironmentFile= and Docker's --env-file take it: every
variable, commented out, with its default or an example. What each accepts is in docs/contract.md.`,
		Example: `  cordon config example > /etc/cordon/python.env
  cordon config example | grep -A 3 'object store'`,
		RunE: does(func(*cobra.Command, []string) error {
			section := ""
			for _, s := range config.Settings(nil, nil) {
				if s.Section != section {
					if section != "" {
						a.print("")
					}
					section = s.Section
					a.print("# == %s ==", section)
				}
				value := s.Value
				if s.Example != "" {
					value = s.Example
				}
				a.print("# %s\n#%s=%s", s.What, s.Name, value)
			}
			return nil
		}),
	}
}
