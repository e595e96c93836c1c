package dashboard_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/worker/dashboard"
	"github.com/cordonlabs/cordon/workspace"
)

var entries = flag.Int("entries", 120, "how many entries the cache of the test of long lists has")

const token = "a token of some length"

// mount is where a proxy has the pages of a stand.
const mount = "/workers/one"

// stand is a dashboard on a real cache and a real store, without Temporal.
type stand struct {
	t     testing.TB
	cache *workspace.Cache
	store *counting
	asked atomic.Int64 // how often the pages wanted Temporal, of which there is none
	*httptest.Server
}

// counting counts how often a store is listed.
type counting struct {
	*dir.Store
	lists atomic.Int64
}

func (c *counting) List(ctx context.Context) iter.Seq2[target.Info, error] {
	c.lists.Add(1)
	return c.Store.List(ctx)
}

func newStand(t testing.TB) *stand {
	t.Helper()
	folder, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{t: t, store: &counting{Store: folder}}
	const ttl = 7 * 24 * time.Hour
	s.cache, err = workspace.Open(workspace.Options{Dir: mountstest.Dir(t), Store: folder, MaxSize: cordon.BytesOf(2 * cordon.GB), TTL: ttl, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pages := dashboard.New(dashboard.Options{
		Cache: s.cache, Store: s.store, TTL: ttl, UI: "http://temporal.test:8233/", Namespace: "default", Version: "v1.2.3", Isolation: "full",
		Access: func(r *http.Request) dashboard.Access {
			return dashboard.Access{Possible: true, Granted: r.Header.Get("Authorization") == "Bearer "+token}
		},
		Temporal: func() client.Client { s.asked.Add(1); return nil },
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	s.Server = httptest.NewServer(http.StripPrefix(mount, pages))
	s.URL += mount
	t.Cleanup(func() {
		s.CloseClientConnections() // pages that are told what changes are never done
		s.Close()
		if err := s.cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put stores an archive of one file.
func (s *stand) put(id, content string) cordon.TargetID {
	s.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "main.c", Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	parsed, perr := cordon.ParseTargetID(id)
	if err != nil || perr != nil {
		s.t.Fatal(err, perr)
	}
	if _, err := s.store.Put(s.t.Context(), parsed, &b, target.PutOptions{Size: int64(b.Len())}); err != nil {
		s.t.Fatal(err)
	}
	return parsed
}

// get has a run get a target, and returns the key of its entry.
func (s *stand) get(id cordon.TargetID, run string, mode cordon.Mode) string {
	s.t.Helper()
	r, err := cordon.ParseRunID(run)
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := s.cache.Get(s.t.Context(), workspace.Request{Target: id, Run: r, Mode: mode})
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := s.cache.Find(w.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	return e.Key
}

// crash stores a crash, and returns the id of its bug.
func (s *stand) crash(id cordon.TargetID, harness, log string, input []byte) crash.Added {
	s.t.Helper()
	added, err := crash.NewStore(s.store, slog.New(slog.DiscardHandler)).Add(s.t.Context(), crash.Crash{
		Origin: crash.Origin{Lineage: hostile, Target: id, Engine: "libfuzzer", EngineVersion: "14", Workflow: hostile, Run: "r1"},
		Crash:  fuzz.Crash{Input: input, Kind: fuzz.FoundCrash, Log: log, Harness: fuzz.Harness{Name: harness, File: "main.c", Line: 3}, Seen: time.Now(), Tried: 3, Reproduced: 3},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return added
}

// result stores a result with one finding of a severity, whose texts are hostile.
func (s *stand) result(workflow string, severity string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"workflow_id": workflow, "target_id": hostile, "status": "completed",
		"findings": []map[string]any{{"id": "1", "rule_id": hostile, "title": hostile, "description": hostile, "severity": severity, "file_path": hostile, "line_start": 3, "code_snippet": hostile + "\n\tx", "recommendation": hostile, "metadata": map[string]any{}}},
	})
	if err == nil {
		_, err = s.store.PutResult(s.t.Context(), workflow, "json", body)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// hostile is a name that would act if it were not text: as HTML, in an attribute, in a script,
// or by turning its line around.
const hostile = `"><img src=x onerror=pwned=1><script>pwned=1</script>'` + "\u202e" + `{{.}}`

// hostileID is one that a target may have.
const hostileID = `"><img src=x onerror=pwned=1>&lt;` + "\u202e"

func (s *stand) fetch(method, path string, form url.Values, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w, string(body)
}

// twin reads a page's twin.
func (s *stand) twin(path string, into any) {
	s.t.Helper()
	w, body := s.fetch(http.MethodGet, "/api/v1"+path, nil)
	if w.StatusCode != http.StatusOK || w.Header.Get("Content-Type") != "application/json" {
		s.t.Fatalf("%s: %s, %s: %s", path, w.Status, w.Header.Get("Content-Type"), body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		s.t.Fatalf("%s: %v: %s", path, err, body)
	}
}

// fill puts in something of everything, with hostile names, and returns the pages that show it.
func (s *stand) fill() []string {
	s.t.Helper()
	id := s.put(hostileID, hostile)
	run := s.get(id, `run<b onclick=pwned=1>`, cordon.Isolated)
	shared := s.get(id, "r2", cordon.Shared)
	s.get(id, "r3", cordon.CopyOnWrite)
	if err := s.cache.Pin(shared, hostile); err != nil {
		s.t.Fatal(err)
	}
	added := s.crash(id, hostile, "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1\nREAD of size 1\n    #0 0x1 in "+hostile+" /w/main.c:3:1\n"+hostile+"\n", []byte(hostile))
	s.result(hostile, "critical")
	s.result("weird", hostile) // no severity that there is
	return []string{
		"/", "/entries", "/entries?q=img&kind=run&state=held&sort=size", "/entries/" + run, "/entries/" + shared, "/runs", "/fuzzing", "/crashes", "/crashes?q=onerror",
		"/crashes/" + added.Signature, "/crashes/" + added.Signature + "?lineage=" + url.QueryEscape(hostile), "/findings", "/result?workflow=" + url.QueryEscape(hostile), "/hosts",
		"/store", "/store?what=corpora",
	}
}

// within is how long something may take on a loaded machine.
const within = time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// runName names the i-th run.
func runName(i int) string { return fmt.Sprintf("run-%05d", i) }
