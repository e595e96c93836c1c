package check

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// keys are what somebody has to choose before the snippets work.
var keys = []string{"S3_ACCESS_KEY=somebody", "S3_SECRET_KEY=something-long"}

// stacks are the ways in which the files are to be combined; each file's head
// comment names its own.
var stacks = map[string][]string{
	"without privileges":          {"compose.yaml"},
	"overlay":                     {"compose.yaml", "overlay.yaml"},
	"overlay that others see":     {"compose.yaml", "overlay.yaml", "overlay-visible.yaml"},
	"several workers, one volume": {"compose.yaml", "shared-volume.yaml"},
}

// load reads a stack as docker compose does: merged, interpolated, normalised and
// validated against the schema of the Compose specification.
func load(t *testing.T, files []string, env []string) (*types.Project, error) {
	t.Helper()
	var paths []string
	for _, f := range files {
		paths = append(paths, filepath.Join("..", "compose", f))
	}
	opts, err := cli.NewProjectOptions(paths, cli.WithEnv(env), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	return opts.LoadProject(context.Background())
}

func TestEveryComposeFileIsInAStack(t *testing.T) {
	files, err := filepath.Glob("../compose/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no compose files: %v", err)
	}
	for _, f := range files {
		used := strings.HasPrefix(filepath.Base(f), "fuzzforge") // fuzzforge_test.go
		for _, stack := range stacks {
			used = used || slices.Contains(stack, filepath.Base(f))
		}
		if !used {
			t.Errorf("%s is in no stack that is checked", f)
		}
	}
}

func TestComposeStacks(t *testing.T) {
	for name, files := range stacks {
		t.Run(name, func(t *testing.T) {
			project, err := load(t, files, keys)
			if err != nil {
				t.Fatal(err)
			}
			workers, containers := 0, map[string]bool{}
			for _, s := range project.Services {
				for _, p := range s.Ports {
					if p.HostIP != "127.0.0.1" {
						t.Errorf("%s: port %s is open to more than this host", s.Name, p.Published)
					}
				}
				if strings.HasPrefix(s.Name, "worker") {
					workers++
					containers[s.ContainerName] = true
					checkComposeWorker(t, s)
					checkImage(t, s)
				}
			}
			if workers != len(verticals) {
				t.Errorf("%d workers, want one for each of %q", workers, verticals)
			}
			// The names in what FuzzForge's documentation tells operators to type.
			if !containers["fuzzforge-worker-python"] {
				t.Errorf("the containers are %v", containers)
			}
		})
	}
}

func checkComposeWorker(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	var cache []types.ServiceVolumeConfig
	for _, v := range s.Volumes {
		if v.Target == "/cache" {
			cache = append(cache, v)
			if v.Bind != nil && v.Bind.Propagation != "" && !slices.Contains([]string{types.PropagationRShared, types.PropagationRSlave, types.PropagationRPrivate}, v.Bind.Propagation) {
				t.Errorf("%s: propagation %q", s.Name, v.Bind.Propagation)
			}
		}
	}
	if len(cache) != 1 {
		t.Errorf("%s: %d volumes at /cache", s.Name, len(cache))
	}
	env := map[string]string{}
	for name, value := range s.Environment {
		if value == nil {
			t.Errorf("%s: %s has no value", s.Name, name)
			continue
		}
		env[name] = *value
	}
	checkEnvironment(t, s.Name, env)
	if !slices.Contains(s.CapDrop, "ALL") {
		t.Errorf("%s: keeps capabilities that it does not name", s.Name)
	}
	mounts := strings.HasPrefix(env["CACHE_COW_DRIVER"], "overlay")
	if got := slices.Contains(s.CapAdd, "SYS_ADMIN"); got != mounts {
		t.Errorf("%s: CAP_SYS_ADMIN %v, driver %q", s.Name, got, env["CACHE_COW_DRIVER"])
	}
	if mounts {
		checkCapabilities(t, s.Name, s.CapAdd)
	}
	if mounts && (s.User != "0:0" || !slices.Contains(s.SecurityOpt, "apparmor=unconfined")) {
		t.Errorf("%s: user %q, %v: it could not mount", s.Name, s.User, s.SecurityOpt)
	}
}

func TestComposeHasNoDefaultCredentials(t *testing.T) {
	for name, files := range stacks {
		if _, err := load(t, files, nil); err == nil || !strings.Contains(err.Error(), "S3_") {
			t.Errorf("%s without keys: %v; want an error that asks for one", name, err)
		}
	}
}

// The schema has to be able to refuse: what it is asked here is what the tests
// above rely on.
func TestComposeSchemaRefusesWhatIsWrong(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":    "services: {a: {image: x, capadd: [SYS_ADMIN]}}",
		"a wrong type":      "services: {a: {image: x, cap_add: SYS_ADMIN}}",
		"an unnamed volume": "services: {a: {image: x, volumes: ['cache:/cache']}}",
	} {
		opts, err := cli.NewProjectOptions([]string{write(t, "compose.yaml", text)}, cli.WithConsistency(true), cli.WithName("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := opts.LoadProject(context.Background()); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
