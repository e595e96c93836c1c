package contract_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workflows"
)

// The mission's own text, page by page: what it shows must be what happens. Its
// troubleshooting section runs against the built program in internal/e2e.

func TestSeed_EachModeHasItsPaths(t *testing.T) {
	for _, tc := range []struct {
		mode   string
		path   string
		layout []string // what the drawing of the cache shows, besides
	}{
		{"isolated", "T/run-1/workspace", []string{"T/run-1/target"}},
		{"shared", "T/workspace", nil},
		{"copy-on-write", "T/run-1/workspace", []string{"T/shared/target", "T/shared/workspace"}},
	} {
		d := newDesk(t)
		d.put("T", project.tarball(t))
		if got, want := d.getTarget("T", "run-1", tc.mode), filepath.Join(d.cacheDir, tc.path); got != want {
			t.Errorf("%s: path = %s, want %s", tc.mode, got, want)
		}
		for _, n := range tc.layout {
			if _, err := os.Stat(filepath.Join(d.cacheDir, n)); err != nil {
				t.Errorf("%s: %v", tc.mode, err)
			}
		}
	}
}

func TestSeed_TheDefaultIsIsolated(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	want := filepath.Join(d.cacheDir, "T/run-1/workspace")
	for _, args := range [][]any{{"T", "run-1"}, {"T", "run-1", nil}} {
		if got := d.getTarget(args...); got != want {
			t.Errorf("get_target%v = %s, want %s", args, got, want)
		}
	}
}

func TestSeed_EachModeHasItsCleanup(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	for _, mode := range []string{"isolated", "copy-on-write"} {
		path := d.getTarget("T", "run-"+mode, mode)
		write(t, path+"/crash", "!")
		d.cleanup(path, mode)
		mustNotExist(t, filepath.Dir(path))
	}
	mustBeTree(t, d.cacheDir+"/T/shared/workspace", project)
	shared := d.getTarget("T", "run-shared", "shared")
	d.cleanup(shared, "shared")
	mustBeTree(t, shared, project)
}

func TestSeed_FuzzersDoNotMeet(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	for _, mode := range []string{"isolated", "copy-on-write"} {
		one, two := d.getTarget("T", "one-"+mode, mode), d.getTarget("T", "two-"+mode, mode)
		write(t, one+"/crash-1", "!")
		write(t, one+"/main.py", "changed")
		mustBeTree(t, two, project)
	}
}

func TestSeed_SettingsAndTheirDefaults(t *testing.T) {
	cfg, err := config.FromEnv(func(string) string { return "" })
	must(t, err)
	if cfg.CacheDir != "/cache" || cfg.MaxSize.Of(0) != 10*cordon.GB || cfg.TTL != 7*24*time.Hour || cfg.SweepEvery != 30*time.Minute {
		t.Errorf("defaults = %s, %s, %v, sweep every %v", cfg.CacheDir, cfg.MaxSize, cfg.TTL, cfg.SweepEvery)
	}
}

func TestSeed_DecisionMatrix(t *testing.T) {
	for _, tc := range []struct {
		what    string
		mode    cordon.Mode
		advises string // "" where the mode is the recommended one
	}{
		{"description: fuzzing with AFL, libFuzzer or Atheris", cordon.Isolated, ""},
		{"description: fuzzing with AFL, libFuzzer or Atheris", cordon.CopyOnWrite, ""},
		{"description: fuzzing with AFL, libFuzzer or Atheris", cordon.Shared, "isolated"},
		{"description: static analysis", cordon.Shared, ""},
		{"description: static analysis", cordon.Isolated, "shared"},
		{"description: secret scanning", cordon.Shared, ""},
		{"description: secret scanning", cordon.Isolated, "shared"},
		{"description: modifies files", cordon.Isolated, ""},
		{"description: modifies files", cordon.Shared, "isolated"},
		{"description: modifies files of large downloads", cordon.CopyOnWrite, ""},
	} {
		yaml := "name: some_workflow\nversion: \"1.0.0\"\nvertical: python\n" + tc.what + "\nworkspace_isolation: \"" + string(tc.mode) + "\"\n"
		w, _, err := metadata.Parse("metadata.yaml", []byte(yaml))
		must(t, err)
		var advice []string
		for _, a := range metadata.Advise(w) {
			advice = append(advice, a.String())
		}
		if got := strings.Join(advice, "\n"); (got == "") != (tc.advises == "") || !strings.Contains(got, tc.advises) {
			t.Errorf("%s, %s: advice = %q, want it to name %q", tc.what, tc.mode, got, tc.advises)
		}
	}
}

func TestSeed_ScannersShareTheirTarget(t *testing.T) {
	modes := map[string]cordon.Mode{}
	for _, w := range workflows.Builtin() {
		modes[w.Name] = w.Mode()
		if a := metadata.Advise(w); len(a) != 0 {
			t.Errorf("%s goes against our own advice: %v", w.Name, a)
		}
	}
	for _, name := range []string{"security_assessment", "secret_detection"} {
		if modes[name] != cordon.Shared {
			t.Errorf("%s is %q", name, modes[name])
		}
	}
}
