package s3_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
)

func TestABodyThatBreaksOffIsReadOnFromThere(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for name, cut := range map[string]bool{"cut": true, "stalled": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, srv.Endpoint, cut)
			s := stored(t, srv, w, 700*time.Millisecond)
			w.limit.Store(3 << 20) // three connections for the 8 MiB
			r, info, err := s.Open(t.Context(), parse(t, "fw"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got := sha256.New()
			if n, err := io.Copy(got, r); err != nil || n != info.Size {
				t.Errorf("%d of %d bytes came: %v", n, info.Size, err)
			}
			if hex.EncodeToString(got.Sum(nil)) != storedDigest {
				t.Error("they are not those of the object")
			}
		})
	}
}

func TestABodyThatBreaksOffForGoodIsStorageUnavailableWithHowFarItCame(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	for name, cut := range map[string]bool{"closed the connection": true, "timeout": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, srv.Endpoint, cut)
			s := stored(t, srv, w, 700*time.Millisecond)
			w.limit.Store(1 << 20)
			r, info, err := s.Open(t.Context(), parse(t, "fw"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n, err := io.CopyN(io.Discard, r, 900<<10)
			if err != nil {
				t.Fatal(err)
			}
			w.limit.Store(0)
			more, err := io.Copy(io.Discard, r)
			n += more
			if n >= info.Size {
				t.Errorf("%d of %d bytes came", n, info.Size)
			}
			if cordon.KindOf(err) != cordon.StorageUnavailable || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d bytes", n, info.Size)) {
				t.Errorf("after %d bytes the read ended with %v", n, err)
			}
			if _, again := r.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("the next Read says %v", again)
			}
		})
	}
}

func TestAnObjectThatIsReplacedWhileItsReadIsBrokenIsReplaced(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, true)
	cfg := made(t, srv)
	id := parse(t, "fw")
	body := strings.Repeat("x", 4<<20)
	if _, err := open(t, cfg).Put(t.Context(), id, strings.NewReader(body), target.PutOptions{Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	there := cfg
	cfg.Endpoint = "http://" + w.addr
	w.limit.Store(1 << 20)
	r, _, err := open(t, cfg).Open(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 900<<10)); err != nil { // the connection is about to break
		t.Fatal(err)
	}
	if _, err := open(t, there).Put(t.Context(), id, strings.NewReader("new"), target.PutOptions{Size: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); !target.IsReplaced(err) {
		t.Errorf("the read ended with %v, want the error of a replaced version", err)
	}
}

func TestAReadThatStallsEndsAtOnceWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, time.Minute)
	w.limit.Store(1 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := s.Open(ctx, parse(t, "fw"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	_, err = io.Copy(io.Discard, r)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 3*time.Second {
		t.Errorf("the read ended with %v after %v", err, time.Since(began))
	}
}

func TestAServerThatAcceptsAndIsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, 200*time.Millisecond)
	w.limit.Store(0)
	began := time.Now()
	_, err := s.Stat(t.Context(), parse(t, "fw"))
	if cordon.KindOf(err) != cordon.StorageUnavailable || time.Since(began) > 10*time.Second {
		t.Errorf("Stat = %v after %v", err, time.Since(began))
	}
}

func TestCancellingACallToASilentServerReturnsAtOnce(t *testing.T) {
	t.Parallel()
	srv := miniotest.Start(t)
	w := newWire(t, srv.Endpoint, false)
	s := stored(t, srv, w, time.Minute)
	w.limit.Store(0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Stat(ctx, parse(t, "fw"))
	if !errors.Is(err, context.DeadlineExceeded) || cordon.KindOf(err) != "" || time.Since(began) > 3*time.Second {
		t.Errorf("Stat = %v after %v", err, time.Since(began))
	}
}
