package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon/internal/fuzzsample"
	"github.com/cordonlabs/cordon/target/miniotest"
)

var theirCargo = flag.Bool("their-cargo", false, "fuzz the Rust sample by FuzzForge's workflow too: a build from nothing takes a minute or more")

// started is a run as a client of FuzzForge starts it, and ended what it is shown.
type started struct {
	Name  string `json:"name"`
	Class string `json:"class"`
	Queue string `json:"queue"`
	Args  []any  `json:"args"`
}

type ended struct {
	ID     string          `json:"id"`
	Status string          `json:"status"` // Temporal's
	Error  string          `json:"error"`
	Result json.RawMessage `json:"result"`
}

// ffResult is what of a result somebody reads.
type ffResult struct {
	WorkflowID string `json:"workflow_id"`
	TargetID   string `json:"target_id"`
	Status     string `json:"status"`
	Steps      []struct {
		Step       string `json:"step"`
		TargetPath string `json:"target_path"`
	} `json:"steps"`
	Findings []ffFinding `json:"findings"`
	Summary  struct {
		Files      int   `json:"files_scanned"`
		Findings   int   `json:"total_findings"`
		Leaks      int   `json:"total_leaks"`
		Executions int64 `json:"total_executions"`
		Crashes    int   `json:"crashes_found"`
	} `json:"summary"`
	SARIF struct {
		Version string `json:"version"`
		Runs    []struct {
			Results []struct {
				Level     string `json:"level"`
				Locations []struct {
					Physical struct {
						Artifact struct {
							URI string `json:"uri"`
						} `json:"artifactLocation"`
					} `json:"physicalLocation"`
				} `json:"locations"`
			} `json:"results"`
		} `json:"runs"`
	} `json:"sarif"`
	ResultsURL string `json:"results_url"`
}

type ffFinding struct {
	Title     string         `json:"title"`
	Severity  string         `json:"severity"`
	Category  string         `json:"category"`
	FilePath  string         `json:"file_path"`
	LineStart int            `json:"line_start"`
	Metadata  map[string]any `json:"metadata"`
}

// levels are those of the SARIF results in a file.
func (r ffResult) levels(file string) (levels []string) {
	for _, run := range r.SARIF.Runs {
		for _, one := range run.Results {
			for _, l := range one.Locations {
				if l.Physical.Artifact.URI == file {
					levels = append(levels, one.Level)
				}
			}
		}
	}
	return levels
}

func (r ffResult) findingIn(category, file string) (ffFinding, bool) {
	for _, f := range r.Findings {
		if f.Category == category && f.FilePath == file {
			return f, true
		}
	}
	return ffFinding{}, false
}

// yard is a Temporal server, an S3 server, and somebody who uses both.
type yard struct {
	user
	*dev
	s3     miniotest.Server
	client *minio.Client

	bucket, fuzzing string   // of targets, and of what is fuzzed
	planted         []string // samples that this machine can fuzz
}

func newYard(t *testing.T) *yard {
	t.Helper()
	interpreter(t)
	y := &yard{user: newUser(t).onMinIO(t), s3: miniotest.Start(t)}
	y.client, y.bucket, y.fuzzing = y.s3.Client(t), y.s3.MakeBucket(t), y.s3.Bucket(t)
	y.user = y.with("S3_BUCKET="+y.bucket, "S3_FUZZING_BUCKET="+y.fuzzing)
	return y
}

// put uploads files as the clients do: a tar.gz of files alone.
func (y *yard) put(t *testing.T, id string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatPAX, ModTime: time.Unix(1_700_000_000, 5)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := y.client.PutObject(t.Context(), y.bucket, id+"/target", &b, int64(b.Len()), minio.PutObjectOptions{UserMetadata: map[string]string{"Original_filename": "project.tar.gz"}})
	if err != nil {
		t.Fatal(err)
	}
}

// start runs workflows as clients do, all at once.
func (y *yard) start(t *testing.T, runs []started) (out []ended) {
	t.Helper()
	runPython(t, runs, &out, "fuzzforge/start.py", y.Temporal)
	if len(out) != len(runs) {
		t.Fatalf("%d answers to %d runs", len(out), len(runs))
	}
	for i, e := range out {
		if !regexp.MustCompile("^" + runs[i].Name + "-[0-9a-f]{8}$").MatchString(e.ID) {
			t.Errorf("the id is %s", e.ID)
		}
		if strings.Contains(string(e.Result), secret) {
			t.Errorf("%s shows the secret", e.ID)
		}
		if n := len(e.Result); n > 512<<10 {
			t.Errorf("%s returns %d bytes", e.ID, n)
		}
	}
	return out
}

func (e ended) read(t *testing.T) (r ffResult) {
	t.Helper()
	if e.Status != "COMPLETED" {
		t.Fatalf("%s is %s: %s", e.ID, e.Status, e.Error)
	}
	decode(t, string(e.Result), &r)
	if r.WorkflowID != e.ID {
		t.Errorf("the result of %s is of %s", e.ID, r.WorkflowID)
	}
	return r
}

// mustResolve fails unless a results_url names an object whose content, type and
// metadata are as CONTRACT §1.5 has them, which a plain HTTP client gets.
func (y *yard) mustResolve(t *testing.T, at, workflowID, format, contentType string) (body string) {
	t.Helper()
	if want := y.s3.Endpoint + "/results/" + workflowID + "/results." + format; at != want {
		t.Fatalf("the URL is %s, want %s", at, want)
	}
	key := workflowID + "/results." + format
	signed, err := y.client.PresignedGetObject(t.Context(), "results", key, time.Minute, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := url.Parse(at); err != nil || plain.Path != signed.Path || plain.Host != signed.Host {
		t.Errorf("the URL %s is not that of the object, %s", at, signed)
	}
	resp, err := http.Get(signed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %.300s", at, resp.Status, err, b)
	}
	if got := resp.Header.Get("Content-Type"); got != contentType {
		t.Errorf("%s is %s", at, got)
	}
	info, err := y.client.StatObject(t.Context(), "results", key, minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	for k, v := range info.UserMetadata {
		meta[strings.ToLower(k)] = v
	}
	if meta["workflow_id"] != workflowID || meta["format"] != format {
		t.Errorf("the metadata of %s is %v", at, info.UserMetadata)
	}
	if !strings.HasPrefix(string(b), "{\n  \"") || strings.Contains(string(b), secret) {
		t.Errorf("%s is not indented by two spaces, or shows the secret: %.200s", at, b)
	}
	return string(b)
}

// canFuzz uploads a sample as id, and reports whether this machine has what fuzzes it.
func (y *yard) canFuzz(t *testing.T, s fuzzsample.Sample, id string) bool {
	t.Helper()
	return t.Run("plant "+s.Engine, func(t *testing.T) {
		dir := filepath.Join(y.home, s.Engine)
		y.user = y.with(s.Plant(t, dir)...)
		files := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			files[name] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		y.put(t, id, files)
		y.planted = append(y.planted, id)
	}) && slices.Contains(y.planted, id)
}

// mustHaveFuzzed fails unless the planted bug of a sample was found, and its input is
// in the store.
func (y *yard) mustHaveFuzzed(t *testing.T, e ended, s fuzzsample.Sample) {
	t.Helper()
	r := e.read(t)
	f, ok := r.findingIn("crash", s.File)
	if r.Status != "success" || len(r.Findings) != 1 || !ok || f.LineStart != s.Line {
		t.Fatalf("status %s, findings %+v; want the crash at %s:%d", r.Status, r.Findings, s.File, s.Line)
	}
	if r.Summary.Executions == 0 || r.Summary.Crashes != 1 {
		t.Errorf("the summary is %+v", r.Summary)
	}
	if s.Engine == "cargo-fuzz" && len(r.levels(s.File)) != 1 {
		t.Error("the crash is not in the SARIF log")
	}
	y.mustResolve(t, r.ResultsURL, e.ID, "json", "application/json")
	var kept, corpus int
	for o := range y.client.ListObjects(t.Context(), y.fuzzing, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if strings.HasPrefix(o.Key, "crashes/"+r.TargetID+"/") && strings.HasSuffix(o.Key, "/crash.json") {
			kept++
		}
		if strings.HasPrefix(o.Key, "corpora/"+r.TargetID+"/") {
			corpus++
		}
	}
	if kept != 1 || corpus == 0 {
		t.Errorf("the store has %d crashes, and %d packs of the corpus", kept, corpus)
	}
}

// The queue on which other people's workflows find our activities.
const pythonsQueue = "theirs-queue"

// FuzzForge's workflows in Python run against our worker as they are: own text, the
// same calls.
func TestPythonWorkflowsRunOnOurActivities(t *testing.T) {
	y := newYard(t)
	var runs []started
	var checks []func(t *testing.T, e ended)
	add := func(name, class string, args []any, check func(t *testing.T, e ended)) {
		runs = append(runs, started{name, class, pythonsQueue, args})
		checks = append(checks, check)
	}
	y.put(t, "planted-1", planted)
	add("security_assessment", "SecurityAssessmentWorkflow", []any{"planted-1", nil, nil, nil}, func(t *testing.T, e ended) {
		r := e.read(t)
		if r.Status != "success" || r.Summary.Files != len(planted) || r.Summary.Findings < 3 {
			t.Errorf("status %s, %+v", r.Status, r.Summary)
		}
		if got := r.levels("app/handlers.py"); len(got) < 2 || got[0] != "error" {
			t.Errorf("the SARIF log has %v of handlers.py", got)
		}
		if r.levels("conf/deploy.sh") != nil || r.levels("app/clean.py") != nil {
			t.Error("the SARIF log has findings in files of other extensions, or in clean.py")
		}
		stored := y.mustResolve(t, r.ResultsURL, e.ID, "sarif", "application/sarif+json")
		if !strings.Contains(stored, "app/handlers.py") {
			t.Errorf("the stored log is another: %.300s", stored)
		}
	})
	add("gitleaks_detection", "GitleaksDetectionWorkflow", []any{"planted-1", "detect", true, true}, func(t *testing.T, e ended) {
		r := e.read(t)
		f, ok := r.findingIn("secret", "conf/deploy.sh")
		if r.Summary.Leaks != len(r.Findings) || !ok || f.LineStart != 1 || f.Severity != "critical" {
			t.Errorf("%d leaks, %+v", r.Summary.Leaks, r.Findings)
		}
		if got := r.levels("conf/deploy.sh"); len(got) == 0 || got[0] != "error" {
			t.Errorf("the SARIF log has %v of it", got)
		}
		y.mustResolve(t, r.ResultsURL, e.ID, "json", "application/json")
	})
	engines := []string{"atheris"}
	if *theirCargo {
		engines = append(engines, "cargo-fuzz")
	}
	add("cargo_fuzzing", "CargoFuzzingWorkflow", []any{"planted-1", nil, 1000, 5, "address"}, func(t *testing.T, e ended) {
		if e.Status != "FAILED" {
			t.Errorf("a project without a harness in Rust is %s: %.300s", e.Status, e.Result)
		}
	})
	for _, engine := range engines {
		s := fuzzsample.Of(engine)
		if !y.canFuzz(t, s, engine+"-1") {
			continue
		}
		class, args := "AtherisFuzzingWorkflow", []any{engine + "-1", nil, 1_000_000, 10}
		if engine == "cargo-fuzz" { // the time is also that of building, and the iterations end it
			class, args = "CargoFuzzingWorkflow", []any{engine + "-1", "planted", 300_000, 600, "address"}
		}
		add(s.Workflow, class, args, func(t *testing.T, e ended) { y.mustHaveFuzzed(t, e, s) })
	}
	y.dev = y.user.dev(t)
	cache := filepath.Join(y.home, "theirs")
	ours := y.with("WORKER_SERVE=activities", "CACHE_GRACE=1s", "CORDON_SWEEP_INTERVAL=1s")
	w, _ := ours.start(t, "worker", "--vertical", "python", "--task-queue", pythonsQueue, "--address", y.Temporal, "--cache-dir", cache)
	w.waitLog(t, "worker polls")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our worker said\n%.20000s", w.log())
		}
	})
	startPython(t, "fuzzforge/worker.py", y.Temporal, pythonsQueue)

	began := time.Now()
	out := y.start(t, runs)
	t.Logf("%d runs were over after %v", len(runs), time.Since(began).Round(time.Second))
	for i, e := range out {
		t.Run(runs[i].Name, func(t *testing.T) { checks[i](t, e) })
	}
	for _, e := range out {
		if strings.Contains(w.log(), secret) {
			t.Errorf("the worker's log of %s shows the secret", e.ID)
		}
	}
	// What the runs had of their own is gone, whatever way they cleaned up, and that of those too that failed and did not.
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(cache, "*/*/workspace"))
		if err == nil && len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %v, %v", left, err)
		}
	}
	if shared, _ := filepath.Glob(filepath.Join(cache, "planted-1/workspace/app/handlers.py")); len(shared) != 1 {
		t.Error("the shared tree was deleted by those who cleaned up its parent or its id")
	}
}

// Our own workflows, started by their class with positional arguments, give what a
// client of FuzzForge reads: the SARIF log above all.
func TestClientsReadTheResultsOfOurWorkflows(t *testing.T) {
	y := newYard(t)
	y.put(t, "planted-1", planted)
	y.dev = y.user.dev(t)
	out := y.start(t, []started{
		{"security_assessment", "SecurityAssessmentWorkflow", "python-queue", []any{"planted-1", nil, nil, nil}},
		{"gitleaks_detection", "GitleaksDetectionWorkflow", "secrets-queue", []any{"planted-1", "detect", true, true}},
		{"secret_detection", "SecretDetectionWorkflow", "secrets-queue", []any{"planted-1"}},
		{"atheris_fuzzing", "AtherisFuzzingWorkflow", "python-queue", []any{"no-such-target", nil, nil, nil}},
	})
	assessed := out[0].read(t)
	if got := assessed.levels("app/handlers.py"); len(got) < 2 || got[0] != "error" || assessed.Summary.Findings != len(assessed.Findings) || assessed.Summary.Files == 0 {
		t.Errorf("the SARIF log has %v of handlers.py, the summary is %+v", got, assessed.Summary)
	}
	y.mustResolve(t, assessed.ResultsURL, out[0].ID, "json", "application/json")
	for _, e := range out[1:3] {
		r := e.read(t)
		if got := r.levels("conf/deploy.sh"); len(got) != 1 || r.Status != "completed" || r.TargetID != "planted-1" {
			t.Errorf("%s: the SARIF log has %v of deploy.sh, the status is %s", e.ID, got, r.Status)
		}
		y.mustResolve(t, r.ResultsURL, e.ID, "json", "application/json")
	}
	if e := out[3]; e.Status != "FAILED" || !strings.Contains(e.Error, "no-such-target") {
		t.Errorf("a target that is not stored: %s, %s", e.Status, e.Error)
	}
}
