package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon/internal/config"
)

func TestEveryFlagOfAWorkerStandsForASetting(t *testing.T) {
	newApp(t).workerCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "data" && config.Variable(f.Name) == "" {
			t.Errorf("--%s: 'cordon config show' does not know which variable it stands for: give it a line in internal/config/known.go", f.Name)
		}
	})
}

func newApp(t *testing.T) *app {
	return &app{screen: newScreen(os.Stdout, os.Stderr, os.Getenv), getenv: func(string) string { return "" }, fuzzers: realFuzzers(os.Getenv)}
}

// shown runs 'config show --json' and returns what it says, by name.
func shown(t *testing.T, c *call, code int, args ...string) map[string]config.Setting {
	t.Helper()
	got := c.run(t, append([]string{"config", "show", "--json"}, args...)...)
	if got.code != code {
		t.Fatalf("exit code %d, want %d: %s", got.code, code, got.err)
	}
	var list []config.Setting
	if err := json.Unmarshal([]byte(got.out), &list); err != nil {
		t.Fatal(err)
	}
	byName := map[string]config.Setting{}
	for _, s := range list {
		byName[s.Name] = s
	}
	return byName
}

func TestConfigShowHasThePlacesThatAWorkerHas(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":            {},
		"--data":             {"--data", "d"},
		"--store":            {"--store", "s"},
		"--cache-dir":        {"--cache-dir", "c", "--data", "d"},
		"a store by flag":    {"--store", "/s", "--data", "d"},
		"--data and --serve": {"--data", "/d", "--serve", "storage"},
	} {
		for _, env := range []map[string]string{{}, {"CACHE_DIR": "/v"}, {"CORDON_STORE": "/vs"}, {"S3_ENDPOINT": "http://minio:9000"}} {
			t.Run(name, func(t *testing.T) {
				c := newCall(t)
				t.Setenv("XDG_CACHE_HOME", filepath.Join(c.home, "xdg"))
				for k, v := range env {
					c.env[k] = v
				}
				a := newApp(t)
				a.getenv = func(name string) string { return c.env[name] }
				worker := a.workerCommand()
				if err := worker.ParseFlags(args); err != nil {
					t.Fatal(err)
				}
				of := func(flag string) string { return worker.Flags().Lookup(flag).Value.String() }
				cfg, err := a.settings(places{data: of("data"), store: of("store"), cache: of("cache-dir")}, workerHome)
				if err != nil {
					t.Fatal(err)
				}
				got := shown(t, c, ExitOK, args...)
				if got["CACHE_DIR"].Value != cfg.CacheDir {
					t.Errorf("with %v and %v the cache is shown at %s, and is at %s", args, env, got["CACHE_DIR"].Value, cfg.CacheDir)
				}
				if cfg.S3.Endpoint == "" && got["CORDON_STORE"].Value != cfg.StoreDir {
					t.Errorf("with %v and %v the store is shown at %s, and is at %s", args, env, got["CORDON_STORE"].Value, cfg.StoreDir)
				}
				if s3 := got["S3_ENDPOINT"]; (cfg.S3.Endpoint != "") != (s3.Value != "" && s3.Unused == "") {
					t.Errorf("with %v and %v S3 is shown as %+v, and is at %q", args, env, s3, cfg.S3.Endpoint)
				}
			})
		}
	}
}

func TestConfigShowSaysWhatIsWrongAndFailsAsAWorkerWould(t *testing.T) {
	c := newCall(t)
	c.env["CACHE_TTL"], c.env["S3_SECRET_KEY"] = "soon", "hunter2"
	got := c.run(t, "config", "show", "--origin")
	if got.code != ExitUsage || !strings.Contains(got.out, "✗ soon") || !strings.Contains(got.out, "variable CACHE_TTL") || !strings.Contains(got.err, "accepted: 36h") {
		t.Errorf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
	if strings.Contains(got.out+got.err, "hunter2") {
		t.Error("the secret is shown")
	}
	if s := shown(t, c, ExitUsage)["CACHE_TTL"]; s.Problem == "" || s.Value != "soon" {
		t.Errorf("%+v", s)
	}
}

// An example that is filled in as it stands has to be one that a worker can read.
func TestTheExampleIsAnEnvironmentFile(t *testing.T) {
	c := newCall(t)
	text := c.mustRun(t, "config", "example").out
	lines := 0
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		if !ok || strings.HasPrefix(name, " ") {
			continue
		}
		lines++
		if !strings.Contains(name, "CERTIFICATE") && !strings.HasSuffix(name, "CLIENT_KEY") && !strings.HasPrefix(name, "TEMPORAL_") { // files that are not there
			c.env[name] = value
		}
	}
	if lines < 40 {
		t.Errorf("only %d settings:\n%s", lines, text)
	}
	for name, s := range shown(t, c, ExitOK) {
		if s.Problem != "" {
			t.Errorf("%s=%s: %s", name, s.Value, s.Problem)
		}
	}
}
