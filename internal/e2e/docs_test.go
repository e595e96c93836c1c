package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// commandText finds command lines in a page: in code spans, and at the start of a line or
// after a prompt in code blocks; behind `docker exec WORKER` and its like too.
var commandText = regexp.MustCompile("(?m)(?:`|^\\$ |^|^bin/|^\\$\\(|=\\$\\(|&& )(?:docker exec WORKER |kubectl exec \\S+ -- )?cordon ((?:[a-z]+)(?: [^`\n#]*)?)")

// How a line of a page is tried.
type trial struct {
	// line is what is run in its place; "" is the line itself, with its placeholders filled in.
	line string
	// codes are the exit codes that are right; none means 0 alone.
	codes []int
	// by names the test of this package that runs it, where it takes a server or minutes.
	by string
}

// help is for lines that name a command and do not call it.
func help(command string) trial { return trial{line: command + " --help"} }

// trials are the lines that are not simply run.
var trials = map[string]trial{
	"corpus": help("corpus"), "corpus get": help("corpus get"), "corpus versions": help("corpus versions"), "crashes": help("crashes"), "targets": help("targets"),
	"cache explain": help("cache explain"), "cache explain --json": {line: "cache explain $key --json"}, "man": {line: "man pages"},
	"get": help("get"), "run": help("run"), "run --isolation": {line: "run --help | grep -e --isolation"}, "targets put": help("targets put"),
	"corpus list|get|put": help("corpus"), "crashes list|show|get|repro": help("crashes"), "workflows show --json": {line: "workflows show secret_detection --json"},
	"corpus get … --version V DIR":          {line: "corpus get parser libfuzzer fuzz_xml --version $(cordon corpus versions parser libfuzzer fuzz_xml --json | grep -o '[^\"]*merged[^\"]*' | head -n 1) out"},
	"corpus put … --replace":                {line: "corpus put parser libfuzzer fuzz_xml seeds --replace"},
	"run … --isolation MODE":                {line: "run secret_detection project --isolation copy-on-write"},
	"run WORKFLOW TARGET":                   {line: "run secret_detection project"},
	"cache gc --plan ID":                    {line: "cache gc --plan $(cordon cache gc --dry-run --keep 1KB --json | grep -o '\"plan\": \"[^\"]*' | cut -d '\"' -f 4)"},
	"cache gc --keep 0":                     {},
	"workflows validate FILE":               {line: "workflows validate project/metadata.yaml"},
	"completion SHELL":                      {line: "completion bash"},
	"doctor":                                {codes: []int{0, 1}}, // there is no Temporal
	"doctor --json":                         {codes: []int{0, 1}},
	"worker health":                         {codes: []int{2}}, // no file was named
	"doctor --json > doctor.json || exit 1": {codes: []int{0, 1}},
	// 6: it has findings.
	"run security_assessment . --fail-on high --sarif findings.sarif --baseline known.json": {line: "run security_assessment project --fail-on high --sarif findings.sarif --baseline known.json", codes: []int{0, 6}},
	"run secret_detection ./thrift": {},
	"targets inspect upload.tar.gz": {codes: []int{1}}, // it is refused

	"dev":    {by: "TestDevPrintsEveryAddressAndKeepsItsState"},
	"worker": {by: "TestAWorkerOfItsOwnServesAnotherVertical"},
	"worker --vertical python --serve storage --socket /run/cordon/worker.sock &": {by: "TestAnotherWorkerUsesTheCacheOverTheSocket"},
	// 4: no Temporal is there.
	"worker --http HOST:PORT":                                              {line: "worker --vertical python --http 127.0.0.1:0 --address 127.0.0.1:1", codes: []int{4}},
	"worker --vertical python --http 127.0.0.1:8234":                       {line: "worker --vertical python --http 127.0.0.1:0 --address 127.0.0.1:1", codes: []int{4}},
	"worker --vertical python --deployment cordon-python --build-id 1.5.0": {line: "worker --vertical python --deployment cordon-python --build-id 1.5.0 --address 127.0.0.1:1", codes: []int{4}},
	"worker --socket PATH":                                                 {by: "TestAnotherWorkerUsesTheCacheOverTheSocket"},
	// A crash takes a fuzzer: without one there is none of that id.
	"crashes show ID": {codes: []int{3}}, "crashes get ID -o FILE": {codes: []int{3}}, "crashes repro ID": {by: "TestEachEngineFindsItsPlantedBug"},
	"crashes repro a497": {by: "TestEachEngineFindsItsPlantedBug"}, "crashes repro d2e2": {by: "TestEachEngineFindsItsPlantedBug"},
	"crashes repro ID --target NEW || echo fixed":                    {},
	"run libfuzzer_fuzzing ./project-1.0 --param timeout_seconds=20": {by: "TestEachEngineFindsItsPlantedBug"},
	"run libfuzzer_fuzzing ./project-1.0 --param timeout_seconds=60": {by: "TestEachEngineFindsItsPlantedBug"},
	"cleanup PATH --run RUN":                                         {line: "cleanup cache/fuzzer-7/shared-run/workspace --run night-7"},
	"get TARGET_ID --run RUN_ID":                                     {},
	"config example > /etc/cordon/worker.env":                        {line: "config example > worker.env"},
}

// fill puts things that exist in the place of a page's placeholders.
var fill = strings.NewReplacer(
	"TARGET_ID", "fuzzer-7", "RUN_ID", "night-8", "KEY", "$key", "--run RUN", "--run night-7", " PATH", " cache/fuzzer-7/night-7/workspace",
	" FOLDER", " project", " NAME", " secret_detection", " DIR", " pages", "export RUN FILE", "export night-7 tree.tar", " FILE", " file", " ID", " 0000000000000000", " NEW", " fuzzer-7",
)

// documented returns the lines of all pages, each once, in order.
func documented(t *testing.T) (lines []string) {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append([]string{"../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md"}, pages...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandText.FindAllStringSubmatch(string(text), -1) {
			line := strings.TrimSpace(m[1])
			if strings.Count(line, "(") < strings.Count(line, ")") {
				line = strings.TrimSuffix(line, ")")
			}
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// reader is somebody who tries what the pages say: with a project, a store and a cache.
func reader(t *testing.T) user {
	t.Helper()
	u := newUser(t)
	in := func(parts ...string) string { return filepath.Join(append([]string{u.home}, parts...)...) }
	for _, dir := range []string{"bin", "project", "seeds"} {
		if err := os.MkdirAll(in(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"project/a.py": "password = 'hunter2hunter2'\nassert password\n", "seeds/one": "<a/>", "known.json": `{"findings": []}`, "file": "a file",
		"project/metadata.yaml": "name: my_workflow\nvertical: python\nworkspace_isolation: shared\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"bin/cordon": binary, "thrift": "project"} {
		if err := os.Symlink(to, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	// An archive that is refused: an entry with a name that leads out.
	if out, err := exec.Command("tar", "-C", u.home, "-czPf", in("upload.tar.gz"), "--transform", "s,^file,../file,", "file").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	u = u.with("PATH="+in("bin")+":"+os.Getenv("PATH"), "CACHE_DIR="+in("cache"), "CORDON_STORE="+in("store"), "CACHE_MIN_FREE=0", "TEMPORAL_CONFIG_FILE="+in("none.toml"))
	u.must(t, 0, "targets", "put", in("project"), "--id", "fuzzer-7")
	for _, data := range []string{"d", ".cache/cordon"} { // the places of README's tour
		u.must(t, 0, "targets", "put", in("project"), "--data", in(data))
		u.must(t, 0, "get", strings.TrimSpace(u.must(t, 0, "targets", "put", in("project"), "--data", in(data)).out), "--run", "night-1", "--data", in(data))
	}
	u.must(t, 0, "corpus", "put", "parser", "libfuzzer", "fuzz_xml", in("seeds"))
	u.must(t, 0, "corpus", "put", "parser", "libfuzzer", "fuzz_xml", in("seeds"), "--replace")
	return u
}

func TestEveryCommandOfThePagesRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs some sixty commands")
	}
	tests := testNames(t)
	u := reader(t)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", filepath.Join(u.home, "project"), "--data", filepath.Join(u.home, "d")).out)
	ran := 0
	for _, line := range documented(t) {
		if line == "COMMAND --help" {
			continue
		}
		how, special := trials[line]
		if how.by != "" {
			if !slices.Contains(tests, how.by) {
				t.Errorf("cordon %s: the test %s, which is to run it, is gone", line, how.by)
			}
			continue
		}
		if how.line == "" {
			how.line = fill.Replace(line)
		}
		if !special && strings.Contains(how.line, "…") {
			t.Errorf("cordon %s: it cannot be run as it stands: say in trials how", line)
			continue
		}
		t.Run(line, func(t *testing.T) {
			ran++
			var entries []struct{ Key string }
			if strings.Contains(how.line, "night-7") || strings.Contains(how.line, "$key") {
				u.must(t, 0, "get", "fuzzer-7", "--run", "night-7") // the commands before may have cleaned it up
				if err := json.Unmarshal([]byte(u.must(t, 0, "cache", "ls", "--json").out), &entries); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; cordon "+how.line)
			cmd.Env, cmd.Dir = append(u.env, "id="+id), u.home
			if len(entries) > 0 {
				cmd.Env = append(cmd.Env, "key="+entries[0].Key)
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			codes := how.codes
			if codes == nil {
				codes = []int{0}
			}
			if code := cmd.ProcessState.ExitCode(); !slices.Contains(codes, code) {
				t.Errorf("cordon %s\nexit code %d, want %v\n%s", how.line, code, codes, &out)
			}
		})
	}
	if ran < 50 {
		t.Errorf("only %d commands were run: the test looks at the wrong things", ran)
	}
	for line := range trials {
		if !slices.Contains(documented(t), line) {
			t.Errorf("no page has %q any more: take it out of trials", line)
		}
	}
}

// testNames are the tests of this package.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
