package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/corpus"
)

func inputsIn(t *testing.T, dir string) (bodies []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	return bodies
}

func TestACorpusGoesInAndComesOutAgain(t *testing.T) {
	c := newCall(t)
	seeds, out := filepath.Join(c.home, "seeds"), filepath.Join(c.home, "out")
	for n := range 3 {
		writeFile(t, filepath.Join(seeds, fmt.Sprint("seed", n)), strings.Repeat("x", n+1))
	}
	if got := c.mustRun(t, "corpus", "list", "--data", c.data()); got.out != "" || !strings.Contains(got.err, "no corpus") {
		t.Errorf("list of nothing: %q, %q", got.out, got.err)
	}
	name := []string{"par/ser", "libfuzzer", "fuzz\x1b[2J"}
	on := func(command, dir string, flags ...string) answer {
		t.Helper()
		return c.run(t, append(append(append([]string{"corpus", command}, name...), dir, "--data", c.data()), flags...)...)
	}
	if got := on("put", seeds); got.code != ExitOK || got.out != "3 inputs, 6 B\n" {
		t.Errorf("put: %+v", got)
	}
	var list []corpus.Info
	decode(t, c.mustRun(t, "corpus", "list", "--json", "--data", c.data()).out, &list)
	if len(list) != 1 || list[0].Lineage != name[0] || list[0].Harness != name[2] || list[0].Inputs != 3 || list[0].Bytes == 0 || list[0].LastPush.IsZero() {
		t.Errorf("list --json: %+v", list)
	}
	if got := c.mustRun(t, "corpus", "list", "par/ser", "--data", c.data()); !strings.Contains(got.out, `fuzz\x1b[2J`) || !strings.Contains(got.out, "just now") {
		t.Errorf("list: %q", got.out)
	}
	if got := on("get", out); got.code != ExitOK || got.out != "3 inputs, 6 B\n" || len(inputsIn(t, out)) != 3 {
		t.Errorf("get: %+v", got)
	}
	if got := on("get", out); got.code != ExitOK || got.out != "0 inputs, 0 B\n" || !strings.Contains(got.err, "3 inputs were already there") {
		t.Errorf("get again: %+v", got)
	}

	// Back to an earlier version.
	kept := filepath.Join(c.home, "kept")
	writeFile(t, filepath.Join(kept, "only"), "x")
	var merged corpus.MergeReport
	for _, dir := range []string{seeds, kept} {
		got := on("put", dir, "--replace", "--json")
		decode(t, got.out, &merged)
	}
	if merged.Files != 1 || merged.Supersedes != 2 {
		t.Errorf("put --replace: %+v", merged)
	}
	var versions []corpus.Version
	decode(t, c.mustRun(t, append(append([]string{"corpus", "versions"}, name...), "--json", "--data", c.data())...).out, &versions)
	if len(versions) != 2 || versions[0].Name != merged.Version || versions[1].Inputs != 3 {
		t.Fatalf("versions: %+v", versions)
	}
	if got := c.mustRun(t, append(append([]string{"corpus", "versions"}, name...), "--data", c.data())...); !strings.Contains(got.out, merged.Version) {
		t.Errorf("versions: %q", got.out)
	}
	now, before := filepath.Join(c.home, "now"), filepath.Join(c.home, "before")
	if got := on("get", now); got.out != "1 input, 1 B\n" {
		t.Errorf("get: %+v", got)
	}
	var pulled corpus.PullReport
	decode(t, on("get", before, "--version", versions[1].Name, "--json").out, &pulled)
	if pulled.Files != 3 || len(inputsIn(t, before)) != 3 {
		t.Errorf("get --version: %+v", pulled)
	}
}

func TestCorpusCommandsSayWhatIsWrong(t *testing.T) {
	c := newCall(t)
	empty, file := filepath.Join(c.home, "empty"), filepath.Join(c.home, "file")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "x")
	for name, k := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no such corpus":        {[]string{"get", "p", "go", "FuzzX", filepath.Join(c.home, "new")}, ExitNotFound, "cordon corpus list"},
		"no such version":       {[]string{"get", "p", "go", "FuzzX", empty, "--version", "20260101T000000.000Z-A-1.merged.tar.zst"}, ExitNotFound, "20260101T000000"},
		"what is no version":    {[]string{"get", "p", "go", "FuzzX", empty, "--version", "first"}, ExitUsage, "list the versions"},
		"no such directory":     {[]string{"put", "p", "go", "FuzzX", filepath.Join(c.home, "nothing")}, ExitNotFound, "nothing"},
		"a file":                {[]string{"put", "p", "go", "FuzzX", file}, ExitFailure, "not a directory"},
		"a file to write into":  {[]string{"get", "p", "go", "FuzzX", file}, ExitFailure, "not a directory"},
		"no lineage":            {[]string{"put", "", "go", "FuzzX", empty}, ExitUsage, "LINEAGE is empty"},
		"a missing argument":    {[]string{"put", "p", "go", "FuzzX"}, ExitUsage, "DIR is missing"},
		"one too many":          {[]string{"list", "p", "q"}, ExitUsage, `unexpected argument "q"`},
		"replacing by nothing":  {[]string{"put", "p", "go", "FuzzX", empty, "--replace"}, ExitFailure, "no inputs"},
		"a store with no place": {[]string{"list", "--store", file}, ExitUsage, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"corpus"}, k.args...)
			if k.args[0] != "list" || len(k.args) == 3 && k.args[1] == "p" {
				args = append(args, "--data", c.data())
			}
			if got := c.run(t, args...); got.code != k.code || !strings.Contains(got.err, k.says) || got.out != "" {
				t.Errorf("exit code %d, want %d; it says %q%q, want %q", got.code, k.code, got.out, got.err, k.says)
			}
		})
	}
	if _, err := os.Lstat(filepath.Join(c.home, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was made for a corpus that there is not: %v", err)
	}
}
