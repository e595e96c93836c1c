package socket_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/worker/socket"
)

const byRun = `"caller":{"namespace":"default","workflow_id":"flow","workflow_type":"F","run_id":"r-own","activity_id":"1","attempt":1,"task_queue":"q"}`

func TestTheActivitiesAnswerAsTheyDoToTemporal(t *testing.T) {
	t.Parallel()
	h := open(t)
	workspace := func(run string) string { return fmt.Sprintf("%q", h.in("project", run, "workspace")) }
	for _, c := range []struct {
		name, activity, body string
		result               string // JSON
		kind                 string // or the type of the error
		says                 string
	}{
		{"the run's own id is the default", "get_target", `{"args":["project"],` + byRun + `}`, workspace("r-own"), "", ""},
		{"three arguments", "get_target", `{"args":["project","r1","isolated"],` + byRun + `}`, workspace("r1"), "", ""},
		{"nulls are defaults", "get_target", `{"args":["project",null,null],` + byRun + `}`, workspace("r-own"), "", ""},
		{"more arguments are ignored", "get_target", `{"args":["project","r1","isolated",{"x":1},7],` + byRun + `}`, workspace("r1"), "", ""},
		{"one object", "get_target", `{"args":[{"target_id":"project","run_id":"r2"}],` + byRun + `}`, workspace("r2"), "", ""},
		{"no workflow calls", "get_target", `{"args":["project","r3"]}`, workspace("r3"), "", ""},
		{"no workflow, and no run either", "get_target", `{"args":["project"]}`, "", "InvalidArgument", "run_id"},
		{"no argument", "get_target", `{"args":[],` + byRun + `}`, "", "InvalidArgument", "target_id"},
		{"a wrong type", "get_target", `{"args":[42],` + byRun + `}`, "", "InvalidArgument", "target_id is a number"},
		{"no such target", "get_target", `{"args":["nothing"],` + byRun + `}`, "", "TargetNotFound", "nothing"},
		{"a cleanup", "cleanup_cache", `{"args":[` + workspace("r1") + `],` + byRun + `}`, "null", "", ""},
		{"a cleanup of anything", "cleanup_cache", `{"args":["/etc"],` + byRun + `}`, "null", "", ""},
		{"a result", "upload_results", `{"args":["flow",{"b":1,"a":"ü"}],` + byRun + `}`, "file://", "", ""},
		{"no result", "upload_results", `{"args":["flow"],` + byRun + `}`, "", "InvalidArgument", "results is missing"},
	} {
		r := h.must(c.activity, c.body)
		if r.status != http.StatusOK || r.kind != "application/x-ndjson" {
			t.Errorf("%s: %d, %s", c.name, r.status, r.kind)
		}
		switch {
		case c.kind == "" && (r.Error != nil || string(r.Result) != c.result && !(c.result == "file://" && strings.Contains(string(r.Result), "/results/flow/results.json"))):
			t.Errorf("%s: got %s %+v, want %s", c.name, r.Result, r.Error, c.result)
		case c.kind != "" && (r.Error == nil || r.Error.Type != c.kind || !r.Error.NonRetryable || !strings.Contains(r.Error.Message, c.says)):
			t.Errorf("%s: got %s %+v, want a %s that says %q", c.name, r.Result, r.Error, c.kind, c.says)
		}
	}
	if exists(h.in("project", "r1")) || !exists(h.in("project", "r2", "workspace", "a.txt")) {
		t.Error("the cleanup took the wrong directory, or none")
	}
}

// The owner of what is got is the workflow that the caller names.
func TestWhatIsGotBelongsToTheCallersWorkflow(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.must("get_target", `{"args":["project","r1"],"caller":{"namespace":"elsewhere","workflow_id":"flow","run_id":"r-own","first_run_id":"r-first"}}`)
	e, err := h.cache.Find(h.in("project", "r1", "workspace"))
	if err != nil || len(e.Holders) != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	if o := e.Holders[0].Owner; o.Namespace != "elsewhere" || o.WorkflowID != "flow" || o.RunID != "r-own" || o.FirstRunID != "r-first" {
		t.Errorf("its owner is %+v", o)
	}
}

// What is registered with Temporal answers over the socket as well.
func TestAcquireWorkspaceIsServedToo(t *testing.T) {
	t.Parallel()
	h := open(t)
	r := h.must("acquire_workspace", `{"args":["project","r1","isolated"],`+byRun+`}`)
	if r.Error != nil {
		t.Fatalf("%+v", r.Error)
	}
	var ws activities.Workspace
	if err := json.Unmarshal(r.Result, &ws); err != nil {
		t.Fatal(err)
	}
	if ws.Path != h.in("project", "r1", "workspace") || ws.Host != h.cache.HostID() || ws.TaskQueue != "q@"+ws.Host || !ws.Writable {
		t.Errorf("got %+v", ws)
	}
	r = h.must("acquire_workspace", `{"args":["project","r1","isolated"]}`)
	if r.Error != nil || json.Unmarshal(r.Result, &ws) != nil || ws.TaskQueue != "" || ws.Host != h.cache.HostID() {
		t.Errorf("without a queue: got %+v, %+v", ws, r.Error)
	}
}

func TestConcurrentCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	h := open(t)
	const callers = 20
	h.source.slow.Store(true)
	var waiting atomic.Int32
	h.said = func() {
		if waiting.Add(1) == callers {
			h.source.slow.Store(false)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	together(callers, func(i int) {
		r, err := h.post(ctx, "get_target", fmt.Sprintf(`{"args":["project","r%d","shared"],%s}`, i, byRun))
		if want := fmt.Sprintf("%q", h.in("project", "workspace")); err != nil || string(r.Result) != want {
			t.Errorf("caller %d: %s %+v, %v", i, r.Result, r.Error, err)
		}
		if r.beats == 0 || r.latest == nil || r.latest.Stage == "" {
			t.Errorf("caller %d: %d heartbeats, the last stage of which is %+v", i, r.beats, r.latest)
		}
	})
	if n := h.source.opened.Load(); n != 1 {
		t.Errorf("the object was read %d times, want once", n)
	}
}

// CONTRACT §1.6 and §7, row 13.
func TestClosingTheConnectionCancels(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.source.slow.Store(true)
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := h.post(ctx, "get_target", `{"args":["project","r1"],`+byRun+`}`)
		ended <- err
	}()
	<-h.source.reading
	hangUp()
	if err := <-ended; err == nil {
		t.Error("the call succeeded")
	}
	waitFor(t, 5*time.Second, "the fetch stops", func() bool { return h.source.closed.Load() > 0 })
	waitFor(t, 5*time.Second, "staging is empty", func() bool {
		left, err := os.ReadDir(h.in(".cordon", "staging"))
		return err == nil && len(left) == 0
	})
	if exists(h.in("project", "r1", "workspace")) {
		t.Error("something was published")
	}
}

// CONTRACT §1.6: the attempt is over, and what it began is not.
func TestADeadlineLeavesTheFetchToTheNextCall(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.source.slow.Store(true)
	deadline := time.Now().Add(1500 * time.Millisecond)
	first := strings.Replace(byRun, `{`, fmt.Sprintf(`{"deadline":%q,`, deadline.Format(time.RFC3339Nano)), 1)
	r := h.must("get_target", `{"args":["project","r1"],`+first+`}`)
	if r.Error == nil || r.Error.Type != "Busy" || r.Error.NonRetryable || time.Now().Before(deadline) {
		t.Fatalf("got %s %+v", r.Result, r.Error)
	}
	if n := h.source.closed.Load(); n != 0 {
		t.Fatal("the fetch ended with its attempt")
	}
	time.AfterFunc(time.Second, func() { h.source.slow.Store(false) })
	r = h.must("get_target", `{"args":["project","r1"],`+byRun+`}`)
	if r.Error != nil || !exists(h.in("project", "r1", "workspace", "a.txt")) {
		t.Errorf("got %s %+v", r.Result, r.Error)
	}
	if n := h.source.opened.Load(); n != 1 {
		t.Errorf("the object was read %d times, want once", n)
	}
}

func TestTheStopOfTheWorkerEndsCalls(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.source.slow.Store(true)
	ended := make(chan reply, 1)
	go func() {
		r, err := h.post(context.Background(), "get_target", `{"args":["project","r1"],`+byRun+`}`)
		if err != nil {
			t.Error(err)
		}
		ended <- r
	}()
	<-h.source.reading
	began := time.Now()
	h.acts.Stop()
	h.server.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if r := <-ended; r.Error == nil || r.Error.Type != "Busy" || r.Error.NonRetryable || !strings.Contains(r.Error.Message, "stopping") {
		t.Errorf("got %s %+v", r.Result, r.Error)
	}
	if h.source.closed.Load() == 0 {
		t.Error("the fetch goes on")
	}
	for _, left := range []string{h.path, h.path + ".lock"} {
		if exists(left) {
			t.Errorf("%s is left", left)
		}
	}
}

func TestWhatIsNoCallIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, c := range []struct {
		name, activity, body string
		status               int
		says                 string
	}{
		{"an unknown activity", "run_tool", `{}`, http.StatusNotFound, "cleanup_cache upload_results"},
		{"nothing", "get_target", ``, http.StatusBadRequest, "not the object"},
		{"no JSON", "get_target", `{"args":[}`, http.StatusBadRequest, "invalid character"},
		{"two objects", "get_target", `{}{}`, http.StatusBadRequest, "after top-level value"},
		{"a list", "get_target", `["project"]`, http.StatusBadRequest, "not the object"},
		{"arguments that are none", "get_target", `{"args":{"target_id":"x"}}`, http.StatusBadRequest, "args"},
		{"no UTF-8", "get_target", "{\"args\":[\"\xff\"]}", http.StatusBadRequest, "UTF-8"},
		{"half a caller", "get_target", `{"args":["project"],"caller":{"workflow_id":"w"}}`, http.StatusBadRequest, "run_id"},
		{"a number for an id", "get_target", `{"caller":{"workflow_id":7}}`, http.StatusBadRequest, "workflow_id"},
		{"a deadline that is none", "get_target", `{"caller":{"deadline":"soon"}}`, http.StatusBadRequest, "soon"},
		{"an id of any length", "get_target", `{"caller":{"workflow_id":"` + strings.Repeat("x", 1001) + `","run_id":"r"}}`, http.StatusBadRequest, "1001 bytes"},
		{"too much", "upload_results", `{"args":["` + strings.Repeat("x", socket.MaxBody) + `"]}`, http.StatusRequestEntityTooLarge, "more than"},
		{"another path", "get_target/more", `{}`, http.StatusNotFound, "GET /v1/health"},
	} {
		r := h.must(c.activity, c.body)
		if r.status != c.status || r.Error == nil || r.Error.Type != "InvalidArgument" || !r.Error.NonRetryable || !strings.Contains(r.Error.Message, c.says) || r.kind != "application/json" {
			t.Errorf("%s: %d %s %+v, want %d and %q", c.name, r.status, r.kind, r.Error, c.status, c.says)
		}
	}
}

func TestHealthSaysWhoServes(t *testing.T) {
	t.Parallel()
	h := open(t)
	resp, err := h.client.Get("http://socket/v1/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Status, Version, Host string
		CacheDir              string `json:"cache_dir"`
		Activities            []string
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "ok" || got.Version != "1.2.3" || got.Host != h.cache.HostID() || got.CacheDir != h.cache.Dir() || strings.Join(got.Activities, " ") != strings.Join(h.acts.StorageNames(), " ") {
		t.Errorf("got %+v", got)
	}
	if got.Activities[0] != activities.GetTargetName {
		t.Errorf("it serves %v", got.Activities)
	}
}

func TestASocketThatIsServedIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := open(t)
	if s, err := socket.Serve(h.options()); cordon.KindOf(err) != cordon.Busy || !strings.Contains(err.Error(), h.path) {
		s.Close()
		t.Fatalf("a second one: %v, want Busy", err)
	}
	if r := h.must("get_target", `{"args":["project","r1"]}`); r.Error != nil {
		t.Errorf("the first one: %+v", r.Error)
	}
}

func TestOnlyTheOwnerMayConnectUnlessAGroupIsNamed(t *testing.T) {
	t.Parallel()
	h := open(t)
	if st, err := os.Stat(h.path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if st, err := os.Stat(h.path + ".lock"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the lock: %v %v", st, err)
	}
	opts := h.options()
	opts.Path, opts.Group = h.path+"2", fmt.Sprint(os.Getgid())
	s, err := socket.Serve(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if st, err := os.Stat(opts.Path); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", st, err)
	}
}

func TestAPlaceThatCannotBeIsNamed(t *testing.T) {
	t.Parallel()
	h := open(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 108))
	for path, says := range map[string]string{
		long:                               "at most 107",
		filepath.Join(dir, "no", "s.sock"): "make the folder",
		file:                               "no socket",
	} {
		opts := h.options()
		opts.Path = path
		if s, err := socket.Serve(opts); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			s.Close()
			t.Errorf("%s: %v, want one that says %q", path, err, says)
		}
	}
	opts := h.options()
	opts.Path, opts.Group = filepath.Join(dir, "s.sock"), "no-such-group-7"
	if _, err := socket.Serve(opts); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "no-such-group-7") {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// The file's mode is what keeps others out, and lets a group in.
func TestOthersAreKeptOutByTheFilesMode(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	h := open(t)
	dir := filepath.Dir(h.path)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const stranger, group = 65534, 4242
	if err := connectAs(stranger, stranger, h.path); !errors.Is(err, unix.EACCES) {
		t.Errorf("a stranger connects: %v", err)
	}
	opts := h.options()
	opts.Path, opts.Group = h.path+"2", fmt.Sprint(group)
	s, err := socket.Serve(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := connectAs(stranger, stranger, opts.Path); !errors.Is(err, unix.EACCES) {
		t.Errorf("a stranger connects where a group may: %v", err)
	}
	if err := connectAs(stranger, group, opts.Path); err != nil {
		t.Errorf("the group cannot connect: %v", err)
	}
}

// connectAs opens the socket at path as the file system sees another user.
func connectAs(uid, gid int, path string) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, with its user
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			ended <- err
			return
		}
		defer unix.Close(fd)
		if err := errors.Join(unix.Setfsgid(gid), unix.Setfsuid(uid)); err != nil {
			ended <- err
			return
		}
		ended <- unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}()
	return <-ended
}
