//go:build !race

package fleet

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// fleet is some hosts of one queue, with one store.
type fleet struct {
	t      *testing.T
	client client.Client
	queue  string
	store  store
	stored string // the directory of a directory store
	tools  string // the folder of the workflows without code
	cache  string // the path of every host's cache, where hosts are alike
	env    []string
	hosts  []*host
}

type store interface {
	target.Store
	target.Blobs
}

// newFleet is n hosts that are off. They wait for each other as long as the tests can.
func newFleet(t *testing.T, n int, env ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, client: server().GetDefaultClient(), queue: "queue of " + t.Name(), stored: t.TempDir(), cache: filepath.Join(mountstest.Dir(t), "cache")}
	var err error
	if f.store, err = dir.Open(f.stored); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	f.plantTools()
	f.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TEMPORAL_ADDRESS=" + server().GetFrontendHostPort(), "TEMPORAL_NAMESPACE=" + server().GetDefaultNamespace(),
		"CORDON_STORE=" + f.stored, "WORKER_VERTICAL=native", "WORKER_TASK_QUEUE=" + f.queue, "CORDON_WORKFLOWS=" + f.tools,
		"WORKER_HOST_WAIT=3s", "CORDON_SWEEP_INTERVAL=2s", "CACHE_GRACE=1s", "CACHE_MIN_FREE=0", "MAX_CONCURRENT_ACTIVITIES=5",
	}, env...)
	for i := range n {
		f.hosts = append(f.hosts, f.newHost(fmt.Sprintf("host-%d", i)))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, h := range f.hosts {
				said := h.said()
				t.Logf("%s said\n%s", h.name, said[max(0, len(said)-20000):])
			}
		}
	})
	return f
}

// on starts all hosts.
func (f *fleet) on() *fleet {
	f.t.Helper()
	for _, h := range f.hosts {
		h.on()
	}
	return f
}

// plantTools writes one workflow without code for each mode: it works for so many seconds,
// and says what it has read. Where it may, it writes. And one that works until somebody puts
// a file "go" into its workspace, and keeps what is in that.
func (f *fleet) plantTools() {
	f.t.Helper()
	f.tools = f.t.TempDir()
	for _, m := range modes {
		write(f.t, filepath.Join(f.tools, m, "metadata.yaml"), `name: sum_`+strings.ReplaceAll(m, "-", "_")+`
workflow_class: `+classOf(m)+`
workspace_isolation: `+m+`
run: [sh, "{workflow}/sum.sh", "{params.seconds}", "{output}"]
results: {json: sum.json}
parameters: {properties: {seconds: {type: integer, default: 0}}}
`)
		write(f.t, filepath.Join(f.tools, m, "sum.sh"), "set -e\n"+map[bool]string{true: "test ! -e done\necho x >> grown\n"}[m != "shared"]+
			`sleep "$1"
sum=$(cat a.txt dir/b.txt | sha256sum | cut -c1-6)
printf '"%s"' "$sum" > "$2/sum.json"
`)
	}
	write(f.t, filepath.Join(f.tools, "waiting", "metadata.yaml"), `name: waiting
workflow_class: `+waiting+`
workspace_isolation: isolated
run: [sh, "{workflow}/wait.sh", "{output}"]
results: {json: said.json, keep: [said.json]}
`)
	write(f.t, filepath.Join(f.tools, "waiting", "wait.sh"), `set -e
while ! test -e go; do echo x >> ticks; sleep 0.2; done
cat go > "$1/said.json"
`)
}

const waiting = "WaitingWorkflow"

var modes = []string{"isolated", "shared", "copy-on-write"}

func classOf(mode string) string {
	return map[string]string{"isolated": "SumIsolatedWorkflow", "shared": "SumSharedWorkflow", "copy-on-write": "SumViewWorkflow"}[mode]
}

// put stores a target of some bytes and returns what the tools say of it.
func (f *fleet) put(id string, size int) (sum string) {
	f.t.Helper()
	var body bytes.Buffer
	sum = f.targetOf(&body, id, size, 0)
	f.putObject(id, body.Bytes())
	return sum
}

// targetOf writes it to w, with so many bytes beside that the tools do not read.
func (f *fleet) targetOf(into io.Writer, id string, size int, more int64) (sum string) {
	f.t.Helper()
	text := []byte(strings.Repeat(id+"\n", size/(len(id)+1)+1))
	half := len(text) / 2
	w := tar.NewWriter(into)
	if more > 0 {
		if err := w.WriteHeader(&tar.Header{Name: "more", Mode: 0o644, Size: more}); err != nil {
			f.t.Fatal(err)
		}
		if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{}), more); err != nil {
			f.t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"a.txt": text[:half], "dir/b.txt": text[half:]} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			f.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:3]) // what is longer looks like a secret, and would be redacted
}

func (f *fleet) putObject(id string, body []byte) {
	f.t.Helper()
	parsed, err := cordon.ParseTargetID(id)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.store.Put(f.t.Context(), parsed, bytes.NewReader(body), target.PutOptions{Size: -1}); err != nil {
		f.t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start starts a run of a workflow.
func (f *fleet) start(class string, args ...any) client.WorkflowRun {
	f.t.Helper()
	opts := client.StartWorkflowOptions{ID: uuid.NewString(), TaskQueue: f.queue, WorkflowExecutionTimeout: 30 * time.Minute}
	for end := time.Now().Add(patience); ; {
		run, err := f.client.ExecuteWorkflow(f.t.Context(), opts, class, args...)
		var late *serviceerror.DeadlineExceeded
		switch {
		case err == nil:
			return run
		case !errors.As(err, &late) && !errors.Is(err, context.DeadlineExceeded) || time.Now().After(end):
			f.t.Fatal(err)
		}
		// A machine whose disk is busy keeps its server waiting; who asks again is told of
		// the run that there is.
	}
}

// mustBeEmpty waits until no host has a run's workspace any more, all of them being on.
func (f *fleet) mustBeEmpty() {
	f.t.Helper()
	for _, h := range f.hosts {
		until(f.t, "the workspaces of "+h.name+" are gone", func() bool { return len(h.workspaces()) == 0 })
	}
}
