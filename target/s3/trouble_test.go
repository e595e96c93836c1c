package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// Each of these networks lets a large object through in the end.
func TestALargeObjectArrivesWholeOverABadNetwork(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	for _, c := range []struct {
		name  string
		from  string        // toxic from the first byte on
		later string        // toxic once a megabyte has been read
		heals time.Duration // after the second toxic; 0: never
	}{
		{name: "each connection is cut after 300,000 bytes", from: `{"type": "limit_data", "attributes": {"bytes": 300000}}`},
		{name: "each connection is cut after 1 MiB and 7 bytes", from: `{"type": "limit_data", "attributes": {"bytes": 1048583}}`},
		{name: "each connection is cut after 9,000,001 bytes", from: `{"type": "limit_data", "attributes": {"bytes": 9000001}}`},
		{name: "each answer comes late", from: `{"type": "latency", "attributes": {"latency": 100, "jitter": 50}}`},
		{name: "it is slow", from: `{"type": "bandwidth", "attributes": {"rate": 10000}}`},
		{name: "it stalls for a while", later: `{"type": "timeout", "attributes": {"timeout": 0}}`, heals: 1200 * time.Millisecond},
		{name: "it resets connections for a while", later: `{"type": "reset_peer", "attributes": {"timeout": 10}}`, heals: 700 * time.Millisecond},
		{name: "it lets nothing through for a while", later: `{"type": "limit_data", "attributes": {"bytes": 0}}`, heals: 700 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			p := newToxiproxy(t, srv.Endpoint)
			if c.from != "" {
				p.add(t, c.from)
			}
			s := impatient(t, through(cfg, p.url), s3.Patience{Header: 500 * time.Millisecond, Stall: 500 * time.Millisecond, Progress: 10 * time.Second})
			r, _, err := s.Open(ctx, parse(t, "large"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var got bytes.Buffer
			if _, err := io.CopyN(&got, r, 1<<20); err != nil {
				t.Fatal(err)
			}
			if c.later != "" {
				p.add(t, c.later)
				time.AfterFunc(c.heals, func() { p.heal(t) })
			}
			_, err = io.Copy(&got, r)
			wantContent(t, got.Bytes(), body, err)
		})
	}
}

func TestANetworkThatStaysBadIsStorageUnavailableWithHowFarItCame(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, _ := largeObject(t, srv)
	for name, toxic := range map[string]string{
		"stalled": `{"type": "timeout", "attributes": {"timeout": 0}}`,
		"reset":   `{"type": "reset_peer", "attributes": {"timeout": 0}}`,
		"cut":     `{"type": "limit_data", "attributes": {"bytes": 2000}}`, // an answer's head and hardly more
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newToxiproxy(t, srv.Endpoint)
			s := impatient(t, through(cfg, p.url), s3.Patience{Header: 300 * time.Millisecond, Stall: 300 * time.Millisecond, Progress: 1500 * time.Millisecond})
			r, info, err := s.Open(t.Context(), parse(t, "large"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n, err := io.CopyN(io.Discard, r, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			p.add(t, toxic)
			began := time.Now()
			more, err := io.Copy(io.Discard, r)
			n += more
			if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), fmt.Sprintf("after %d of %d bytes", n, info.Size)) {
				t.Errorf("after %d bytes the read ended with %v", n, err)
			}
			if d := time.Since(began); d < time.Second || d > 15*time.Second {
				t.Errorf("it was given up after %v", d)
			}
		})
	}
}

func TestWhatAServerAnswersInTheMiddleOfARead(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg, body := largeObject(t, srv)
	for _, c := range []struct {
		name   string
		status int
		code   string
		times  int         // after the first request; 0: for ever
		want   cordon.Kind // "": it is survived
		soon   bool
	}{
		{name: "refused", status: 403, code: "AccessDenied", want: cordon.PermissionDenied, soon: true},
		{name: "removed", status: 404, code: "NoSuchKey", want: cordon.TargetNotFound, soon: true},
		{name: "replaced", status: 412, code: "PreconditionFailed", want: cordon.Busy, soon: true},
		{name: "not to be understood", status: 400, code: "InvalidRequest", want: cordon.StorageUnavailable, soon: true},
		{name: "busy for a while", status: 503, code: "SlowDown", times: 6},
		{name: "busy for a while, as proxies say it", status: 429, code: "", times: 3},
		{name: "broken for a while", status: 500, code: "InternalError", times: 6},
		{name: "without its gateway for a while", status: 502, code: "", times: 3},
		{name: "too slow for AWS", status: 400, code: "RequestTimeout", times: 3},
		{name: "busy for ever", status: 503, code: "SlowDown", want: cordon.StorageUnavailable},
		{name: "broken for ever", status: 500, code: "InternalError", want: cordon.StorageUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, srv.Endpoint, func(w http.ResponseWriter, r *http.Request, q request, nth int, pass http.HandlerFunc) {
				if q.what == "GET" && nth > 1 && (c.times == 0 || nth <= 1+c.times) {
					answer(w, c.status, c.code)
					return
				}
				pass(w, r)
			})
			s := impatient(t, through(cfg, f.url), s3.Patience{Progress: 2 * time.Second})
			if c.want == "" {
				s = open(t, through(cfg, f.url))
			}
			began := time.Now()
			got, err := readAll(t, s, "large")
			if c.want == "" {
				wantContent(t, got, body, err)
				return
			}
			if cordon.KindOf(err) != c.want || target.IsReplaced(err) != (c.status == 412) {
				t.Errorf("the read ended with %v", err)
			}
			if c.status != 412 && !strings.Contains(err.Error(), fmt.Sprintf("after %d of %d bytes", len(got), len(body))) {
				t.Errorf("after %d bytes the error does not say how far it came: %v", len(got), err)
			}
			if d := time.Since(began); c.soon && d > 2*time.Second || d > 15*time.Second {
				t.Errorf("it was given up after %v", d)
			}
		})
	}
}

func TestAnObjectThatIsReplacedWhileItIsReadInPartsIsReplaced(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	body := make([]byte, 70<<20) // more than is fetched ahead
	plant(t, srv.Client(t), cfg.Bucket, "a/target", body)
	r, _, err := open(t, cfg).Open(t.Context(), parse(t, "a"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
		t.Fatal(err)
	}
	body[0] = 1
	plant(t, srv.Client(t), cfg.Bucket, "a/target", body)
	if n, err := io.Copy(io.Discard, r); !target.IsReplaced(err) {
		t.Errorf("after %d bytes the read ended with %v, want the error of a replaced version", n, err)
	}
}

func TestAServerThatIsKilledAndStartedAgainIsSurvived(t *testing.T) {
	t.Parallel()
	srv := miniotest.StartOwn(t)
	cfg := made(t, srv.Server)
	body := numbered(100 << 20) // more than is fetched ahead
	plant(t, srv.Client(t), cfg.Bucket, "a/target", body)
	r, _, err := open(t, cfg).Open(t.Context(), parse(t, "a"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := io.CopyN(&got, r, 1<<20); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	started := make(chan error, 1)
	go func() {
		time.Sleep(500 * time.Millisecond)
		started <- srv.Restart()
	}()
	_, err = io.Copy(&got, r)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	wantContent(t, got.Bytes(), body, err)
}

func TestAHostThatDoesNotResolveIsStorageUnavailableSoon(t *testing.T) {
	t.Parallel()
	s := open(t, s3.Config{Endpoint: "http://store.cordon.invalid:9000", AccessKey: "k", SecretKey: "s"})
	began := time.Now()
	_, _, err := s.Open(t.Context(), parse(t, "fw"), "")
	if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), "store.cordon.invalid") || !strings.Contains(cordon.FixOf(err), "check the host in S3_ENDPOINT") {
		t.Errorf("Open = %v", err)
	}
	if d := time.Since(began); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
}
