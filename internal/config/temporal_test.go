package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

const profiles = `
[profile.default]
namespace = "from-default"

[profile.prod]
address = "prod.example:7233"
namespace = "from-prod"

[profile.leaky]
address = "prod.example:7233"
api_key = "hunter2hunter2"
[profile.leaky.tls]
disabled = true
`

// noFile keeps the configuration file of whoever runs the tests out of them.
func noFile(t *testing.T) string {
	return "TEMPORAL_CONFIG_FILE=" + filepath.Join(t.TempDir(), "none.toml")
}

func withProfiles(t *testing.T) string { return withFile(t, profiles) }

func withFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "temporal.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "TEMPORAL_CONFIG_FILE=" + file
}

func TestTemporalOptionsFlagsBeatVariablesBeatProfiles(t *testing.T) {
	for name, c := range map[string]struct {
		flags              config.TemporalFlags
		environ            []string
		address, namespace string
		named              bool
	}{
		"nothing is said":              {environ: []string{noFile(t)}, address: "localhost:7233", namespace: "default"},
		"an empty variable is unset":   {environ: []string{noFile(t), "TEMPORAL_ADDRESS="}, address: "localhost:7233", namespace: "default"},
		"a namespace names no server":  {environ: []string{noFile(t), "TEMPORAL_NAMESPACE=n"}, address: "localhost:7233", namespace: "n"},
		"a variable names one":         {environ: []string{noFile(t), "TEMPORAL_ADDRESS=h:1"}, address: "h:1", namespace: "default", named: true},
		"a flag beats the variable":    {flags: config.TemporalFlags{Address: "f:2", Namespace: "m"}, environ: []string{noFile(t), "TEMPORAL_ADDRESS=h:1", "TEMPORAL_NAMESPACE=n"}, address: "f:2", namespace: "m", named: true},
		"the default profile has none": {environ: []string{withProfiles(t)}, address: "localhost:7233", namespace: "from-default"},
		"a profile by variable":        {environ: []string{withProfiles(t), "TEMPORAL_PROFILE=prod"}, address: "prod.example:7233", namespace: "from-prod", named: true},
		"a profile by flag":            {flags: config.TemporalFlags{Profile: "prod"}, environ: []string{withProfiles(t)}, address: "prod.example:7233", namespace: "from-prod", named: true},
		"a variable beats the profile": {flags: config.TemporalFlags{Profile: "prod"}, environ: []string{withProfiles(t), "TEMPORAL_ADDRESS=h:1"}, address: "h:1", namespace: "from-prod", named: true},
		"a gRPC target is kept":        {flags: config.TemporalFlags{Address: "dns:///h:1"}, environ: []string{noFile(t)}, address: "dns:///h:1", namespace: "default", named: true},
		"an IPv6 address":              {flags: config.TemporalFlags{Address: "[::1]:7233"}, environ: []string{noFile(t)}, address: "[::1]:7233", namespace: "default", named: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts, named, err := config.TemporalOptions(c.flags, c.environ)
			if err != nil {
				t.Fatal(err)
			}
			if opts.HostPort != c.address || opts.Namespace != c.namespace || named != c.named {
				t.Errorf("got %s, %s, named %t", opts.HostPort, opts.Namespace, named)
			}
			if opts.ConnectionOptions.TLS != nil {
				t.Error("TLS is on")
			}
		})
	}
}

func TestAnAPIKeyTurnsTLSOn(t *testing.T) {
	opts, _, err := config.TemporalOptions(config.TemporalFlags{}, []string{noFile(t), "TEMPORAL_API_KEY=k", "TEMPORAL_ADDRESS=h:1"})
	if err != nil || opts.ConnectionOptions.TLS == nil || opts.Credentials == nil {
		t.Errorf("TLS %v, credentials %v, %v", opts.ConnectionOptions.TLS, opts.Credentials, err)
	}
}

func TestTemporalOptionsRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		flags   config.TemporalFlags
		environ []string
		says    []string
	}{
		"an API key without TLS":           {environ: []string{noFile(t), "TEMPORAL_API_KEY=hunter2hunter2", "TEMPORAL_TLS=false"}, says: []string{"TEMPORAL_API_KEY", "in the clear"}},
		"an API key of a profile, too":     {flags: config.TemporalFlags{Profile: "leaky"}, environ: []string{withProfiles(t)}, says: []string{"in the clear"}},
		"an address without a port":        {environ: []string{noFile(t), "TEMPORAL_ADDRESS=temporal"}, says: []string{"TEMPORAL_ADDRESS", `"temporal"`, "host:port"}},
		"a URL for an address":             {flags: config.TemporalFlags{Address: "http://temporal:7233"}, environ: []string{noFile(t)}, says: []string{"--address", "host:port"}},
		"a port that is none":              {flags: config.TemporalFlags{Address: "h:http"}, environ: []string{noFile(t)}, says: []string{`"h:http"`}},
		"a TLS switch that cannot be read": {environ: []string{noFile(t), "TEMPORAL_TLS=maybe"}, says: []string{"TEMPORAL_TLS", `"maybe"`, "true, false, 1 or 0"}},
		"an unknown profile":               {environ: []string{withProfiles(t), "TEMPORAL_PROFILE=staging"}, says: []string{"staging", "TEMPORAL_PROFILE"}},
		"a file that is no TOML":           {environ: []string{withFile(t, "[profile.default]\napi_key = hunter2hunter2\n")}, says: []string{"not valid TOML in line 2"}},
		"a certificate that is not there":  {environ: []string{noFile(t), "TEMPORAL_TLS_SERVER_CA_CERT_PATH=/does/not/exist"}, says: []string{"/does/not/exist", "TEMPORAL_TLS_*"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := config.TemporalOptions(c.flags, c.environ)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nshould say %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v\nholds the key", err)
			}
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("the kind is %q", cordon.KindOf(err))
			}
		})
	}
}
