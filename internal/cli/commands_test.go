package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandExplainsItself(t *testing.T) {
	a := &app{screen: newScreen(nil, nil, os.Getenv), getenv: os.Getenv}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no short description or no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(a.rootCommand())
}

func TestAnUnknownWorkflowNamesTheNearest(t *testing.T) {
	for _, args := range [][]string{{"run", "secret_detecton", "."}, {"workflows", "show", "secret_detecton"}} {
		got := newCall(t).run(t, args...)
		if got.code != ExitNotFound || !strings.Contains(got.err, "did you mean secret_detection?") || !strings.Contains(got.err, "security_assessment") {
			t.Errorf("%v: exit code %d, %s", args, got.code, got.err)
		}
	}
}

func TestMisuseIsOneLineAndExitCodeTwo(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want []string
	}{
		{"an unknown command names the nearest", []string{"targts"}, nil, []string{`no command "targts"`, `did you mean "targets"?`}},
		{"an unknown command of a group too", []string{"workflows", "lst"}, nil, []string{`did you mean "list"?`}},
		{"an unknown command far from all lists them", []string{"zzzzzz"}, nil, []string{"it has cache, cleanup, completion, config, corpus, crashes, dev, doctor, get"}},
		{"an unknown flag", []string{"cache", "ls", "--bogus"}, nil, []string{"--bogus", "cordon cache ls --help"}},
		{"a missing argument is named", []string{"targets", "put"}, nil, []string{"PATH is missing"}},
		{"an argument too many is named", []string{"version", "x"}, nil, []string{`unexpected argument "x"`}},
		{"get needs a run", []string{"get", "t"}, nil, []string{`"run" not set`}},
		{"a bad target id", []string{"get", "x/../etc", "--run", "r"}, nil, []string{"target_id", "path separator"}},
		{"a bad run id", []string{"get", "t", "--run", "shared"}, nil, []string{"run_id", "layout uses"}},
		{"a bad mode", []string{"get", "t", "--run", "r", "--isolation", "private"}, nil, []string{"private", "isolated, shared or copy-on-write"}},
		{"a bad size in the environment", []string{"cache", "ls"}, map[string]string{"CACHE_MAX_SIZE": "10 apples"}, []string{"CACHE_MAX_SIZE", "10 apples", "10GiB"}},
		{"a bad duration in the environment", []string{"cache", "ls"}, map[string]string{"CACHE_TTL": "7 days"}, []string{"CACHE_TTL", "7 days", "7d"}},
		{"a bad size on the command line", []string{"cache", "gc", "--keep", "1XB"}, nil, []string{"--keep", "1XB"}},
		{"an unknown parameter", []string{"run", "secret_detection", ".", "-p", "nogit=1"}, nil, []string{"nogit", "no_git"}},
		{"a parameter of the wrong type", []string{"run", "secret_detection", ".", "-p", "no_git=perhaps"}, nil, []string{"no_git", "perhaps"}},
		{"a parameter that is none", []string{"run", "secret_detection", ".", "-p", "no_git"}, nil, []string{"NAME=VALUE"}},
		{"an unknown severity", []string{"run", "secret_detection", ".", "--fail-on", "bad"}, nil, []string{"bad", "critical"}},
		{"a folder for SARIF that is not there", []string{"run", "secret_detection", ".", "--sarif", "/no/such/x.sarif"}, nil, []string{"/no/such/x.sarif", "folder does not exist"}},
		{"a negative limit", []string{"run", "secret_detection", ".", "--limit", "-1"}, nil, []string{"--limit -1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t)
			for k, v := range tt.env {
				c.env[k] = v
			}
			if cache := filepath.Join(c.home, "cache"); tt.args[0] == "cache" {
				if err := os.Mkdir(cache, 0o755); err != nil {
					t.Fatal(err)
				}
				c.env["CACHE_DIR"] = cache
			}
			got := c.run(t, tt.args...)
			if got.code != ExitUsage || got.out != "" {
				t.Errorf("exit code %d, standard output %q; want %d and nothing", got.code, got.out, ExitUsage)
			}
			if !strings.HasPrefix(got.err, "cordon: ") || strings.Count(got.err, "\n") != 1 {
				t.Errorf("want one line that begins with the program's name, got:\n%s", got.err)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.err, want) {
					t.Errorf("%q is missing in: %s", want, got.err)
				}
			}
		})
	}
}

func TestAllBadVariablesAreReportedAtOnceOnALineEach(t *testing.T) {
	c := newCall(t)
	c.env["CACHE_TTL"], c.env["CACHE_MAX_SIZE"] = "soon", "much"
	got := c.run(t, "cache", "du")
	if got.code != ExitUsage || strings.Count(got.err, "cordon: ") != 2 || !strings.Contains(got.err, "CACHE_TTL") || !strings.Contains(got.err, "CACHE_MAX_SIZE") {
		t.Errorf("exit code %d:\n%s", got.code, got.err)
	}
}

func TestTargetsArePutListedHeldAndRemoved(t *testing.T) {
	c := newCall(t)
	project := filepath.Join(c.home, "project")
	writeFile(t, filepath.Join(project, "main.py"), "print(1)\n")
	with := func(args ...string) []string { return append(args, "--data", c.data()) }

	put := c.mustRun(t, with("targets", "put", project)...)
	id := strings.TrimSuffix(put.out, "\n")
	if !strings.HasPrefix(id, "sha256-") || strings.ContainsAny(id, " \n") {
		t.Fatalf("standard output is %q; want the id alone", put.out)
	}
	if again := c.mustRun(t, with("targets", "put", project)...); again.out != put.out || !strings.Contains(again.err, "already stored, nothing to upload") {
		t.Errorf("the same content again printed %q and said:\n%s", again.out, again.err)
	}
	if named := c.mustRun(t, with("targets", "put", project, "--id", "mine")...); named.out != "mine\n" {
		t.Errorf("--id mine printed %q", named.out)
	}

	var list []stored
	decode(t, c.mustRun(t, with("targets", "list", "--json")...).out, &list)
	if len(list) != 2 || list[0].ID.String() != "mine" || list[1].ID.String() != id {
		t.Errorf("list has %+v", list)
	}

	path := strings.TrimSpace(c.mustRun(t, with("get", "mine", "--run", "r1")...).out)
	if want := filepath.Join(c.data(), "cache", "mine", "r1", "workspace"); path != want {
		t.Errorf("get printed %q, want %q", path, want)
	}
	if b, err := os.ReadFile(filepath.Join(path, "main.py")); err != nil || string(b) != "print(1)\n" {
		t.Errorf("the workspace holds %q, %v", b, err)
	}
	if held := c.run(t, with("targets", "rm", "mine")...); held.code != ExitBusy || !strings.Contains(held.err, "r1") {
		t.Errorf("removing a held target: exit code %d: %s", held.code, held.err)
	}
	c.mustRun(t, with("cleanup", path)...)
	c.mustRun(t, with("targets", "rm", "mine")...)
	if gone := c.run(t, with("targets", "rm", "mine")...); gone.code != ExitNotFound {
		t.Errorf("removing it again: exit code %d: %s", gone.code, gone.err)
	}
}

func TestTheCacheIsListedMeasuredAndCollected(t *testing.T) {
	c := newCall(t)
	project := filepath.Join(c.home, "project")
	writeFile(t, filepath.Join(project, "a.txt"), "a")
	with := func(args ...string) []string { return append(args, "--data", c.data()) }
	if none := c.run(t, with("cache", "ls")...); none.code != ExitNotFound || strings.Contains(none.out, "KIND") {
		t.Errorf("listing a cache that is not there: exit code %d: %s", none.code, none.err)
	}
	if _, err := os.Stat(filepath.Join(c.data(), "cache")); err == nil {
		t.Error("looking at a cache has made one")
	}
	id := strings.TrimSpace(c.mustRun(t, with("targets", "put", project)...).out)
	path := strings.TrimSpace(c.mustRun(t, with("get", id, "--run", "r1", "--isolation", "shared")...).out)

	ls := c.mustRun(t, with("cache", "ls", "--wide")...)
	if !strings.Contains(ls.out, path) || !strings.Contains(ls.out, "r1") || !strings.Contains(ls.out, "shared") {
		t.Errorf("ls prints:\n%s", ls.out)
	}
	var usage struct {
		Recorded int64 `json:"recorded"`
		OnDisk   int64 `json:"on_disk"`
	}
	decode(t, c.mustRun(t, with("cache", "du", "--json")...).out, &usage)
	if usage.Recorded <= 0 || usage.OnDisk < usage.Recorded {
		t.Errorf("du says %+v", usage)
	}
	gc := c.mustRun(t, with("cache", "gc", "--keep", "0")...)
	if _, err := os.Stat(filepath.Join(path, "a.txt")); err != nil || !strings.Contains(gc.out, "the kept object goes first") {
		t.Errorf("gc removed what r1 holds, or left what r1 can do without (%v):\n%s", err, gc.out)
	}
	c.mustRun(t, with("cleanup", path, "--run", "r1")...)
	if dry := c.mustRun(t, with("cache", "gc", "--keep", "0", "--dry-run")...); !strings.Contains(dry.out, "would go") {
		t.Errorf("a dry run prints:\n%s", dry.out)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the dry run removed it: %v", err)
	}
	c.mustRun(t, with("cache", "gc", "--keep", "0")...)
	if _, err := os.Stat(path); err == nil {
		t.Error("gc left what nobody holds")
	}
}

func TestCleanupTakesAPathFromHere(t *testing.T) {
	c := newCall(t)
	t.Chdir(c.home)
	writeFile(t, filepath.Join(c.home, "project", "a"), "a")
	c.mustRun(t, "targets", "put", "project", "--id", "mine", "--data", "d")
	c.mustRun(t, "get", "mine", "--run", "r1", "--data", "d")
	if got := c.mustRun(t, "cleanup", "./d/cache/mine/../mine/r1/workspace", "--data", "d"); !strings.HasPrefix(got.err, "unknown: ") {
		t.Errorf("a path that climbs: %s", got.err)
	}
	if got := c.mustRun(t, "cleanup", "./d/cache/mine/r1/workspace", "--data", "d"); !strings.HasPrefix(got.err, "removed: ") {
		t.Errorf("a relative path: %s", got.err)
	}
}

func TestCleaningAnUnknownPathIsNoError(t *testing.T) {
	c := newCall(t)
	victim := filepath.Join(c.home, "victim")
	writeFile(t, victim, "v")
	for _, path := range []string{victim, "/", "..", "no-such-thing", c.home} {
		if got := c.run(t, "cleanup", path, "--data", c.data()); got.code != ExitOK || !strings.HasPrefix(got.err, "unknown: ") {
			t.Errorf("%s: exit code %d: %s", path, got.code, got.err)
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
}

func TestValidateGivesPlacesAndAdvice(t *testing.T) {
	tests := []struct {
		name, text string
		code       int
		want       string
	}{
		{"a wrong mode has its place", "name: x\nvertical: python\nworkspace_isolation: private\n", ExitFailure, "metadata.yaml:3:22: "},
		{"a missing name", "version: \"1\"\n", ExitFailure, "name"},
		{"a fuzzer that shares is advised otherwise", "name: my_fuzzer\nvertical: python\nworkspace_isolation: shared\n", ExitOK, "[advice]"},
		{"an unknown field is warned about", "name: x\nvertical: python\nworkspace_isolation: isolated\nbogus: 1\n", ExitOK, "[warning]"},
		{"what is right has nothing to say", "name: x\nvertical: python\nworkspace_isolation: isolated\n", ExitOK, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t)
			file := filepath.Join(c.home, "w", "metadata.yaml")
			writeFile(t, file, tt.text)
			for _, arg := range []string{file, filepath.Dir(file)} {
				got := c.run(t, "workflows", "validate", arg)
				if got.code != tt.code || !strings.Contains(got.out, tt.want) || (tt.want == "") != (got.out == "") {
					t.Errorf("validate %s: exit code %d\n%s%s", arg, got.code, got.out, got.err)
				}
			}
			var found []diagnosis
			decode(t, c.run(t, "workflows", "validate", file, "--json").out, &found)
		})
	}
	if got := newCall(t).run(t, "workflows", "validate", "/no/such.yaml"); got.code != ExitNotFound {
		t.Errorf("a missing file: exit code %d", got.code)
	}
}

func TestJSONIsOneValue(t *testing.T) {
	c := newCall(t)
	for _, args := range [][]string{{"version"}, {"workflows", "list"}, {"workflows", "show", "SecretDetectionWorkflow"}, {"targets", "list"}} {
		var v any
		decode(t, c.mustRun(t, append(args, "--json")...).out, &v)
	}
}

func TestFlagsBeatTheEnvironmentWhichBeatsDefaults(t *testing.T) {
	tests := []struct {
		name         string
		p            places
		h            home
		env          map[string]string
		cache, store string // "" means unset
		s3           string
		noHome       bool
	}{
		{name: "run and dev keep everything in the user's cache folder", h: dataHome, cache: "/home/u/.cache/cordon/cache", store: "/home/u/.cache/cordon/store"},
		{name: "workers use /cache", h: workerHome, cache: "/cache", store: "/home/u/.cache/cordon/store"},
		{name: "--data moves both", h: dataHome, p: places{data: "/d"}, cache: "/d/cache", store: "/d/store"},
		{name: "--data moves both for workers too", h: workerHome, p: places{data: "/d"}, cache: "/d/cache", store: "/d/store"},
		{name: "the environment beats the default", h: dataHome, env: map[string]string{"CACHE_DIR": "/c", "CORDON_STORE": "/s"}, cache: "/c", store: "/s"},
		{name: "--data beats the environment", h: dataHome, p: places{data: "/d"}, env: map[string]string{"CACHE_DIR": "/c", "CORDON_STORE": "/s"}, cache: "/d/cache", store: "/d/store"},
		{name: "--cache-dir and --store beat --data", h: dataHome, p: places{data: "/d", cache: "/c", store: "/s"}, cache: "/c", store: "/s"},
		{name: "an S3 endpoint is the store", h: dataHome, env: map[string]string{"S3_ENDPOINT": "http://s3:9000"}, cache: "/home/u/.cache/cordon/cache", s3: "http://s3:9000"},
		{name: "without a home, what is named has its place all the same", h: dataHome, p: places{store: "/s"}, noHome: true, store: "/s"},
		{name: "--store beats an S3 endpoint", h: dataHome, p: places{store: "/s"}, env: map[string]string{"S3_ENDPOINT": "http://s3:9000"}, cache: "/home/u/.cache/cordon/cache", store: "/s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("HOME", "/home/u") // os.UserCacheDir reads the process's own
			t.Setenv("XDG_CACHE_HOME", "")
			if tt.noHome {
				t.Setenv("HOME", "")
			}
			a := &app{getenv: func(name string) string { return tt.env[name] }}
			cfg, err := a.settings(tt.p, tt.h)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.CacheDir != tt.cache || cfg.StoreDir != tt.store || cfg.S3.Endpoint != tt.s3 {
				t.Errorf("cache %q, store %q, S3 %q; want %q, %q, %q", cfg.CacheDir, cfg.StoreDir, cfg.S3.Endpoint, tt.cache, tt.store, tt.s3)
			}
		})
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// decode reads text as exactly one JSON value.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in: %s", err, text)
	}
}
