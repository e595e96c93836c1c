package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon/target/miniotest"
)

// onMinIO returns u with a real MinIO as the store, and buckets of its own.
func (u user) onMinIO(t *testing.T) user {
	t.Helper()
	s := miniotest.Start(t)
	const results = "results" // the one name that is fixed (CONTRACT §5)
	if err := s.Client(t).MakeBucket(t.Context(), results, minio.MakeBucketOptions{}); err != nil &&
		minio.ToErrorResponse(err).Code != minio.BucketAlreadyOwnedByYou {
		t.Fatal(err)
	}
	return u.with("S3_ENDPOINT="+s.Endpoint, "S3_ACCESS_KEY="+s.AccessKey, "S3_SECRET_KEY="+s.SecretKey, "S3_BUCKET="+s.Bucket(t))
}

// download is what the log has to say about each fetch from S3 (CONTRACT §6).
const download = "downloading from MinIO"

func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mode             string
		paths, downloads int
	}{
		{"isolated", 2, 2}, // nothing is shared
		{"shared", 1, 1},
		{"copy-on-write", 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			u := newUser(t).onMinIO(t).with("LOG_LEVEL=INFO")
			project := u.plant(t)
			u.must(t, 0, "targets", "put", project, "--data", u.data())
			var answers [2]answer
			var both sync.WaitGroup
			for i := range answers {
				both.Go(func() {
					answers[i] = u.cordon(t, "run", "secret_detection", project, "--isolation", tt.mode, "--data", u.data(), "--json")
				})
			}
			both.Wait()
			paths, downloads := map[string]bool{}, 0
			for _, got := range answers {
				if got.code != 0 {
					t.Fatalf("exit code %d\n%s", got.code, got)
				}
				var r result
				decode(t, got.out, &r)
				if r.Summary.Workspace.Mode != tt.mode || len(r.Findings) == 0 {
					t.Errorf("mode %q, %d findings", r.Summary.Workspace.Mode, len(r.Findings))
				}
				paths[r.Summary.Workspace.Path] = true
				downloads += strings.Count(got.err, download)
			}
			if len(paths) != tt.paths || downloads != tt.downloads {
				t.Errorf("%d paths and %d downloads, want %d and %d\n%s\n%s", len(paths), downloads, tt.paths, tt.downloads, answers[0], answers[1])
			}
		})
	}
}

// The questions that operators ask when something is odd, asked as the
// troubleshooting section does (docs/modes.md), and what the answers must show.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	u := newUser(t).onMinIO(t).with("CACHE_MAX_SIZE=2GB", "CACHE_TTL=3d")
	project := u.plant(t)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	client := u.with("TEMPORAL_ADDRESS=" + d.Temporal)
	log := filepath.Join(u.home, "worker.log")
	shell := func(script string) string {
		t.Helper()
		if err := os.WriteFile(log, []byte(d.log()), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", script)
		cmd.Env = append(os.Environ(), "LOG="+log, "CACHE="+d.Cache, "PID="+strconv.Itoa(d.cmd.Process.Pid))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return string(out)
	}
	run := func(mode string) result {
		t.Helper()
		var r result
		decode(t, client.must(t, 0, "run", "secret_detection", id, "--isolation", mode, "--data", u.data(), "--json").out, &r)
		return r
	}

	// Do runs interfere with each other? Then their paths are not their own.
	first, second := run("isolated"), run("isolated")
	code := shell(`grep "User code downloaded" "$LOG"`)
	for _, r := range []result{first, second} {
		if path := r.Summary.Workspace.Path; !strings.Contains(code, path) || path == filepath.Join(d.Cache, id, "workspace") {
			t.Errorf("the path of an isolated run, %s, is not in:\n%s", path, code)
		}
	}
	// Is a target downloaded again and again? Each download is a line, and names
	// its target.
	if n := strings.TrimSpace(shell(`grep "downloading from MinIO" "$LOG" | grep -c ` + id)); n != "2" {
		t.Errorf("two isolated runs are %s downloads", n)
	}
	// The remedy: a mode that shares.
	shared := []result{run("shared"), run("shared"), run("shared")}
	if n := strings.TrimSpace(shell(`grep -c "downloading from MinIO" "$LOG"`)); n != "3" {
		t.Errorf("three shared runs after two isolated ones are %s downloads, want 3", n)
	}
	if path := shared[2].Summary.Workspace.Path; path != filepath.Join(d.Cache, id, "workspace") || !shared[2].Summary.Workspace.Hit {
		t.Errorf("the shared path is %s, a hit: %v", path, shared[2].Summary.Workspace.Hit)
	}
	if !strings.Contains(shell(`grep "Cache HIT" "$LOG"; grep "Cache MISS" "$LOG"; grep "Skipping cleanup for shared workspace" "$LOG"`), "Cache HIT") {
		t.Error("no hit is logged")
	}
	// How large is the cache, and which limits hold?
	if du := shell(`du -sh "$CACHE"`); !strings.Contains(du, d.Cache) || strings.HasPrefix(du, "0") {
		t.Errorf("du says %s", du)
	}
	env := shell(`tr '\0' '\n' < /proc/$PID/environ | grep CACHE`)
	if !strings.Contains(env, "CACHE_MAX_SIZE=2GB") || !strings.Contains(env, "CACHE_TTL=3d") {
		t.Errorf("the environment shows:\n%s", env)
	}
	// Isolated workspaces are gone with their runs, the shared one stays.
	var entries []struct {
		Kind    string `json:"kind"`
		Holders []any  `json:"holders"`
	}
	decode(t, u.must(t, 0, "cache", "ls", "--data", u.data(), "--json").out, &entries)
	if len(entries) != 1 || entries[0].Kind != "shared" || len(entries[0].Holders) != 0 {
		text, _ := json.Marshal(entries)
		t.Errorf("the cache has %s, want the shared tree alone, held by nobody", text)
	}
}

func TestAWorkerOfItsOwnServesAnotherVertical(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", u.plant(t), "--data", u.data()).out)
	d := u.dev(t)
	cache := filepath.Join(u.home, "other-cache")
	w, _ := u.start(t, "worker", "--vertical", "android", "--address", d.Temporal, "--data", u.data(), "--cache-dir", cache)
	w.waitLog(t, "android-queue")
	answers := python(t, d, "android-queue", [][]any{{"get_target", []any{id, "r1", "copy-on-write"}}})
	if want := filepath.Join(cache, id, "r1", "workspace"); answers[0].OK != want {
		t.Errorf("got %+v, want %s", answers[0], want)
	}
	w.waitLog(t, "User code downloaded")
}
