package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stagesOf returns the stages of the Dockerfile.
func stagesOf(t *testing.T) []instructions.Stage {
	t.Helper()
	f, err := os.Open("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// image is what a stage and those below it set.
type image struct {
	user, entrypoint, health string
	env                      map[string]string
	volumes                  []string
}

func imageOf(t *testing.T, target string) image {
	t.Helper()
	stages := stagesOf(t)
	at := slices.IndexFunc(stages, func(s instructions.Stage) bool { return s.Name == target })
	if at < 0 {
		t.Fatalf("the Dockerfile has no stage %q", target)
	}
	i := image{env: map[string]string{}}
	if slices.ContainsFunc(stages, func(s instructions.Stage) bool { return s.Name == stages[at].BaseName }) {
		i = imageOf(t, stages[at].BaseName)
	}
	for _, c := range stages[at].Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			i.user = c.User
		case *instructions.EntrypointCommand:
			i.entrypoint = strings.Join(c.CmdLine, " ")
		case *instructions.HealthCheckCommand:
			i.health = strings.Join(c.Health.Test, " ")
		case *instructions.VolumeCommand:
			i.volumes = append(i.volumes, c.Volumes...)
		case *instructions.EnvCommand:
			for _, kv := range c.Env {
				i.env[kv.Key] = kv.Value
			}
		}
	}
	return i
}

func TestTheImageOfEachVertical(t *testing.T) {
	for _, v := range verticals {
		i := imageOf(t, v)
		if i.user != "cordon" || i.entrypoint != "cordon-worker" || i.health != "CMD cordon-worker health" || !slices.Contains(i.volumes, "/cache") {
			t.Errorf("%s: %+v", v, i)
		}
		if i.env["WORKER_VERTICAL"] != v || i.env["CACHE_DIR"] != "/cache" || i.env["WORKER_HEALTH_FILE"] == "" {
			t.Errorf("%s: its environment is %v", v, i.env)
		}
	}
}

func TestGoIsCrossCompiled(t *testing.T) {
	builds := 0
	for _, s := range stagesOf(t) {
		for _, c := range s.Commands {
			run, ok := c.(*instructions.RunCommand)
			if !ok || !strings.Contains(strings.Join(run.CmdLine, " "), "CGO_ENABLED=0") {
				continue
			}
			builds++
			if s.Platform != "$BUILDPLATFORM" || !strings.Contains(strings.Join(run.CmdLine, " "), "GOOS=$TARGETOS GOARCH=$TARGETARCH") {
				t.Errorf("stage %s compiles on the target's architecture", s.Name)
			}
		}
	}
	if builds == 0 {
		t.Error("nothing is compiled")
	}
}

// checkImage looks whether the image of a worker is built for its vertical.
func checkImage(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	vertical := *s.Environment["WORKER_VERTICAL"]
	if s.Build == nil || s.Build.Target != vertical || s.Image != "cordon-worker:"+vertical || filepath.Base(s.Build.Dockerfile) != "Dockerfile" {
		t.Errorf("%s: image %s of %+v", s.Name, s.Image, s.Build)
	}
	if i := imageOf(t, s.Build.Target); i.env["WORKER_VERTICAL"] != vertical {
		t.Errorf("%s: its image is for %s", s.Name, i.env["WORKER_VERTICAL"])
	}
}
