package container

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dockerImage is what deploy/Dockerfile says of a target: an engine would make it so.
type dockerImage struct {
	env                []string
	entrypoint, health []string
	user               string
	makesUser          string // the command that does
}

var continued = regexp.MustCompile(`\\\n\s*`)

// imageOf reads the Dockerfile, as far as it says how a container is to run; its
// packages are those of the containers' root.
func imageOf(t *testing.T, target string) (i dockerImage) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	of := ""
	for line := range strings.Lines(continued.ReplaceAllString(string(text), " ")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "FROM" {
			f := strings.Fields(rest)
			of = f[len(f)-1]
		}
		if of != "base" && of != target {
			continue
		}
		switch word {
		case "ENV":
			i.env = append(i.env, strings.Fields(rest)...)
		case "USER":
			i.user = rest
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &i.entrypoint)
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			err = json.Unmarshal([]byte(command), &i.health)
		case "RUN":
			if strings.HasPrefix(rest, "useradd ") {
				i.makesUser = rest
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if i.user == "" || i.makesUser == "" || len(i.entrypoint) == 0 || len(i.health) == 0 {
		t.Fatalf("the Dockerfile says of %q only %+v", target, i)
	}
	return i
}

// adds returns the variables that a container here has not anyway.
func (i dockerImage) adds() (env []string) {
	for _, kv := range i.env {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains([]string{"PATH", "HOME", "CACHE_DIR"}, name) {
			env = append(env, kv)
		}
	}
	return env
}

// begin is for settings.layer: what the Dockerfile runs to make its user.
func (i dockerImage) begin(t *testing.T, root string) {
	t.Helper()
	if out, err := exec.Command("chroot", root, "/bin/sh", "-ec", i.makesUser).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", i.makesUser, err, out)
	}
}

// worker builds cordon-worker as the Dockerfile does.
func worker(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cordon-worker")
	pass(t, path)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/cordonlabs/cordon/cmd/cordon-worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
