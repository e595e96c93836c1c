package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// release is the version that a release build states, with
// -ldflags "-X github.com/cordonlabs/cordon/internal/cli.release=v1.2.3".
var release string

// Version says what this program is.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes of its own
	Go       string `json:"go"`
	Platform string `json:"platform"`

	committed time.Time // when Commit was made
}

func readVersion() Version {
	v := Version{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if m := info.Main.Version; m != "(devel)" {
			v.Version = cmp.Or(v.Version, m)
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.time":
				v.committed, _ = time.Parse(time.RFC3339, s.Value) // else it is not known
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	v.Version = cmp.Or(v.Version, "devel")
	return v
}

func (v Version) String() string {
	s := v.Version
	if v.Commit != "" {
		s += fmt.Sprintf(" (commit %.12s", v.Commit)
		if v.Modified {
			s += ", modified"
		}
		s += ")"
	}
	return fmt.Sprintf("cordon %s %s %s", s, v.Go, v.Platform)
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: exactly(), Example: "  cordon version --json",
		RunE: does(func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(a.version)
			}
			a.print("%s", a.version)
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
