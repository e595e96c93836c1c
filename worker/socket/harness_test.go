package socket_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/worker/socket"
	"github.com/cordonlabs/cordon/workspace"
)

// house is a served socket with a store and a cache of its own. No Temporal is there
// to be asked.
type house struct {
	t      *testing.T
	path   string
	cache  *workspace.Cache
	acts   *activities.Activities
	server *socket.Server
	source *slowSource
	client *http.Client
	said   func() // called for every call whose heartbeats begin to tell something; may be nil
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "w.sock")}
	log := slog.New(slog.DiscardHandler)
	store, err := dir.Open(mountstest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	h.source = &slowSource{Source: store, reading: make(chan struct{}, 1000)}
	if h.cache, err = workspace.Open(workspace.Options{Dir: mountstest.Dir(t), Store: h.source, Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cache.Close() })
	h.acts = activities.New(activities.Options{Cache: h.cache, Results: store, Logger: log, Namespace: "default"})
	if h.server, err = socket.Serve(h.options()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.server.Close)
	h.client = clientOf(h.path)

	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "a.txt", Mode: 0o644, Size: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("project")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), id, &b, target.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) options() socket.Options {
	return socket.Options{Path: h.path, Activities: h.acts, Version: "1.2.3", Host: h.cache.HostID(), CacheDir: h.cache.Dir(), Logger: slog.New(slog.DiscardHandler)}
}

func clientOf(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

// slowSource is a store whose objects stand still for as long as slow is set.
type slowSource struct {
	target.Source
	slow           atomic.Bool
	opened, closed atomic.Int32
	reading        chan struct{} // something is read
}

func (s *slowSource) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	r, info, err := s.Source.Open(ctx, id, etag)
	if err != nil {
		return nil, info, err
	}
	s.opened.Add(1)
	return &slowReader{r, ctx, s}, info, nil
}

type slowReader struct {
	io.ReadCloser
	ctx    context.Context
	source *slowSource
}

func (r *slowReader) Read(p []byte) (int, error) {
	select {
	case r.source.reading <- struct{}{}:
	default:
	}
	for r.source.slow.Load() {
		select {
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return r.ReadCloser.Read(p)
}

func (r *slowReader) Close() error {
	r.source.closed.Add(1)
	return r.ReadCloser.Close()
}

// line is one line of an answer.
type line struct {
	Heartbeat *activities.Progress
	Result    json.RawMessage
	Error     *struct {
		Type         string
		Message      string
		NonRetryable bool `json:"non_retryable"`
	}
}

// reply is a whole answer: its status, its heartbeats, and its last line.
type reply struct {
	line
	status int
	kind   string // Content-Type
	beats  int
	latest *activities.Progress
}

// post sends a body to an activity and reads the answer to its end.
func (h *house) post(ctx context.Context, name, body string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://socket/v1/activities/"+name, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, kind: resp.Header.Get("Content-Type")}
	for lines := bufio.NewScanner(resp.Body); ; {
		if !lines.Scan() {
			return r, lines.Err()
		}
		r.line = line{}
		if err := json.Unmarshal(lines.Bytes(), &r.line); err != nil {
			return r, err
		}
		if strings.HasPrefix(lines.Text(), `{"heartbeat"`) {
			r.beats++
			if h.said != nil && r.latest == nil && r.Heartbeat != nil {
				h.said()
			}
			if r.Heartbeat != nil {
				r.latest = r.Heartbeat
			}
		}
	}
}

// must is post of a call that is answered.
func (h *house) must(name, body string) reply {
	h.t.Helper()
	r, err := h.post(h.t.Context(), name, body)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) in(elem ...string) string {
	return filepath.Join(append([]string{h.cache.Dir()}, elem...)...)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// waitFor waits until ok holds, and fails the test after limit.
func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// together runs do n times at once.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}
