package check

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
)

// verticals are those of the built-in workflows.
var verticals = []string{"go", "native", "python", "rust", "secrets"}

// theirs is what a FuzzForge deployment has of a worker, by its facts: names of services,
// volumes and variables.
var theirs = `
services:
  temporal: {image: temporal}
  minio: {image: minio}
  backend: {image: backend, environment: {S3_ENDPOINT: http://minio:9000}}
` + their + `
volumes: {worker_python_cache: {name: fuzzforge_worker_python_cache}, worker_rust_cache: {}, worker_secrets_cache: {}}
`

var their = func() (text string) {
	for _, v := range []string{"python", "rust", "secrets"} {
		text += strings.ReplaceAll(`
  worker-@:
    build: {context: ./workers/@, dockerfile: Dockerfile}
    container_name: fuzzforge-worker-@
    profiles: [workers, "@"]
    depends_on: {temporal: {condition: service_started}, minio: {condition: service_started}}
    command: [python, worker.py]
    entrypoint: [sh]
    healthcheck: {test: [CMD, pgrep, python]}
    environment:
      TEMPORAL_ADDRESS: temporal:7233
      TEMPORAL_NAMESPACE: default
      WORKER_VERTICAL: @
      WORKER_TASK_QUEUE: @-queue
      MAX_CONCURRENT_ACTIVITIES: 5
      S3_ENDPOINT: http://minio:9000
      S3_ACCESS_KEY: key
      S3_SECRET_KEY: a-secret
      S3_BUCKET: targets
      S3_REGION: us-east-1
      S3_USE_SSL: "false"
      CACHE_DIR: /cache
      CACHE_MAX_SIZE: 10GB
      CACHE_TTL: 7d
      LOG_LEVEL: INFO
    volumes: ["./toolbox:/app/toolbox:ro", "worker_@_cache:/cache"]
    restart: "no"
    deploy: {resources: {limits: {memory: 1G}}}
`, "@", v)
	}
	return text
}()

// replaced is what comes of their file with ours over it, and more over that, in a folder with
// a cordon.env.
func replaced(t *testing.T, env string, more ...string) *types.Project {
	t.Helper()
	return over(t, env, append([]string{"../compose/fuzzforge.yaml"}, more...)...)
}

// over is what comes of their file with others over it.
func over(t *testing.T, env string, others ...string) *types.Project {
	t.Helper()
	first := write(t, "docker-compose.yml", theirs)
	dir := filepath.Dir(first)
	if err := os.WriteFile(filepath.Join(dir, "cordon.env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []string{first}
	for _, f := range others {
		abs, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, abs)
	}
	opts, err := cli.NewProjectOptions(files, cli.WithWorkingDirectory(dir), cli.WithConsistency(true), cli.WithName("fuzzforge"), cli.WithProfiles([]string{"workers"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestStorageGoesBesideTheirWorkerForPython(t *testing.T) {
	project := over(t, "CORDON_SWEEP_INTERVAL=10m\n", "../compose/fuzzforge-storage.yaml")
	ours, theirs := project.Services["storage-python"], project.Services["worker-python"]
	checkComposeWorker(t, ours)
	if ours.Build != nil || ours.Image != "cordon-worker:secrets" || ours.Command != nil || ours.Entrypoint != nil || ours.HealthCheck != nil {
		t.Errorf("Cordon's: %+v", ours)
	}
	if theirs.Build == nil || theirs.Image != "" || theirs.Command == nil {
		t.Errorf("theirs: %+v", theirs)
	}
	// The volume may begin as the image's user's, and root without these is nobody to it.
	if want := []string{"DAC_OVERRIDE", "CHOWN", "FOWNER"}; ours.User != "0:0" || !slices.Equal(ours.CapAdd, want) {
		t.Errorf("user %s with %q, want root with %q", ours.User, ours.CapAdd, want)
	}
	if e := ours.Environment; *e["WORKER_SERVE"] != "storage" || *e["WORKER_TASK_QUEUE"] != "" || *e["WORKER_VERTICAL"] != "python" || *e["CORDON_SWEEP_INTERVAL"] != "10m" {
		t.Errorf("it serves %s on %q", *e["WORKER_SERVE"], *e["WORKER_TASK_QUEUE"])
	}
	cacheOf := func(s types.ServiceConfig) string {
		for _, v := range s.Volumes {
			if v.Target == "/cache" {
				return v.Source
			}
		}
		return ""
	}
	if cacheOf(ours) != "cordon_python_cache" || cacheOf(theirs) != cacheOf(ours) || len(theirs.Volumes) != 2 {
		t.Errorf("caches %q and %q; want one; theirs %+v", cacheOf(ours), cacheOf(theirs), theirs.Volumes)
	}
}

// The page has the file that goes over ours, for those who keep workflows of their own.
func TestTheirWorkflowsStayWithAWorkerOfTheirs(t *testing.T) {
	page, err := os.ReadFile("../../docs/migrate-from-fuzzforge.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("the page has no such file")
	}
	project := replaced(t, "", write(t, "own.yaml", text))
	ours, theirs := project.Services["worker-python"], project.Services["workflows-python"]
	checkComposeWorker(t, ours)
	if e := ours.Environment; *e["WORKER_SERVE"] != "activities" || *e["CORDON_WORKFLOWS"] != ours.Volumes[1].Target || ours.Image != "cordon-worker:python" {
		t.Errorf("Cordon's worker: %+v", ours)
	}
	if theirs.Build == nil || theirs.Image != "" || theirs.ContainerName != "fuzzforge-workflows-python" || *theirs.Environment["WORKER_TASK_QUEUE"] != *ours.Environment["WORKER_TASK_QUEUE"] {
		t.Errorf("their worker: %+v", theirs)
	}
	if e := project.Services["worker-rust"].Environment["WORKER_SERVE"]; e != nil {
		t.Errorf("the worker for Rust serves %s", *e)
	}
}

func TestFuzzForgesWorkersAreReplaced(t *testing.T) {
	project := replaced(t, "CORDON_MIN_ISOLATION=landlock\nCACHE_MAX_SIZE=1GB\n")
	if len(project.Services) != 6 {
		t.Errorf("services %v", project.ServiceNames())
	}
	for _, s := range project.Services {
		vertical, worker := strings.CutPrefix(s.Name, "worker-")
		if !worker {
			continue
		}
		checkComposeWorker(t, s)
		if s.Build != nil || s.Image != "cordon-worker:"+vertical || s.ContainerName != "fuzzforge-worker-"+vertical || s.User != "10001:10001" {
			t.Errorf("%s: build %v, image %s, container %s, user %s", s.Name, s.Build, s.Image, s.ContainerName, s.User)
		}
		if len(s.Volumes) != 1 || s.Volumes[0].Source != "cordon_"+vertical+"_cache" {
			t.Errorf("%s: volumes %+v: it would meet a cache that is root's, or their sources", s.Name, s.Volumes)
		}
		if s.Command != nil || s.Entrypoint != nil || s.HealthCheck != nil {
			t.Errorf("%s: their command %q, entrypoint %q or health check %+v on our image", s.Name, s.Command, s.Entrypoint, s.HealthCheck)
		}
		if len(s.DependsOn) != 2 || s.Restart != "no" || s.Deploy == nil {
			t.Errorf("%s: what is theirs to say is gone: %+v, %q, %+v", s.Name, s.DependsOn, s.Restart, s.Deploy)
		}
		for name, want := range map[string]string{"S3_ENDPOINT": "http://minio:9000", "CORDON_MIN_ISOLATION": "landlock", "CACHE_MAX_SIZE": "10GB"} {
			if e := s.Environment[name]; e == nil || *e != want {
				t.Errorf("%s: %s is not %s: cordon.env adds to the environment, and overrules none of it", s.Name, name, want)
			}
		}
	}
	if v := project.Volumes["worker_python_cache"]; v.Name != "fuzzforge_worker_python_cache" {
		t.Errorf("the volume to go back to is %q", v.Name)
	}
}

func TestTheExampleOfAnEnvironmentHasWhatTheStackAsksFor(t *testing.T) {
	env, err := dotenv.Read("../compose/env.example")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, value := range env {
		names = append(names, name)
		if secret := strings.HasSuffix(name, "_KEY"); secret != (value == "") {
			t.Errorf("%s=%q: keys have no default, all others one", name, value)
		}
	}
	slices.Sort(names)
	if want := []string{"CACHE_MAX_SIZE", "CACHE_TTL", "CORDON_PREFIX", "LOG_LEVEL", "MAX_CONCURRENT_ACTIVITIES", "S3_ACCESS_KEY", "S3_SECRET_KEY"}; !slices.Equal(names, want) {
		t.Errorf("it has %q, want %q", names, want)
	}
}
