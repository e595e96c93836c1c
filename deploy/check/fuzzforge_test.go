package check

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
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
    restart: unless-stopped
`, "@", v)
	}
	return text
}()

func TestFuzzForgesWorkersAreReplaced(t *testing.T) {
	dir := t.TempDir()
	ours, err := filepath.Abs("../compose/fuzzforge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	opts, err := cli.NewProjectOptions([]string{write(t, "docker-compose.yml", theirs), ours}, cli.WithWorkingDirectory(dir), cli.WithConsistency(true), cli.WithName("fuzzforge"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
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
		if e := s.Environment["S3_ENDPOINT"]; e == nil || *e != "http://minio:9000" {
			t.Errorf("%s: what the environment said before is gone", s.Name)
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
