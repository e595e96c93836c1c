package targettest

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var reading = []behaviour{
	{"a target that is not there is TargetNotFound, and the message names it", func(t *testing.T, h Harness) {
		_, err := h.Store.Stat(t.Context(), id(t, "absent"))
		wantKind(t, err, cordon.TargetNotFound)
		_, _, oerr := h.Store.Open(t.Context(), id(t, "absent"), "")
		wantKind(t, oerr, cordon.TargetNotFound)
		for _, err := range []error{err, oerr} {
			if err != nil && !strings.Contains(err.Error(), "absent/target") {
				t.Errorf("%q does not say which object is missing", err)
			}
		}
	}},
	{"a missing place for targets is TargetNotFound, and the message names the place", func(t *testing.T, h Harness) {
		_, serr := h.Bare.Stat(t.Context(), id(t, "a"))
		_, _, oerr := h.Bare.Open(t.Context(), id(t, "a"), "")
		rerr := h.Bare.Remove(t.Context(), id(t, "a"))
		var lerr error
		for _, lerr = range h.Bare.List(t.Context()) {
		}
		for what, err := range map[string]error{"Stat": serr, "Open": oerr, "Remove": rerr, "List": lerr} {
			wantKind(t, err, cordon.TargetNotFound)
			if err != nil && !strings.Contains(err.Error(), h.BarePlace) {
				t.Errorf("%s: %q does not name %q", what, err, h.BarePlace)
			}
		}
	}},
	{"Put, Stat and Open say the same of an object", func(t *testing.T, h Harness) {
		body := content(1, 100_000)
		info := put(t, h.Store, "a", body)
		if info.ID != id(t, "a") || info.Size != int64(len(body)) || info.ETag == "" || info.SHA256 != digest(body) || info.Modified.IsZero() {
			t.Errorf("Put returned %+v", info)
		}
		if strings.Contains(info.ETag, `"`) {
			t.Errorf("the ETag %s has quotes", info.ETag)
		}
		sameInfo(t, "Stat", stat(t, h.Store, "a"), info)
		got, opened := get(t, h.Store, "a", "")
		wantBytes(t, got, body)
		sameInfo(t, "Open", opened, info)
		if opened.SHA256 != digest(body) || stat(t, h.Store, "a").SHA256 != digest(body) {
			t.Error("the stated digest was not stored")
		}
	}},
	{"an object that was put there by hand is a target, without a digest", func(t *testing.T, h Harness) {
		body := content(2, 5000)
		h.Plant(t, "byhand/target", body)
		info := stat(t, h.Store, "byhand")
		if info.Size != 5000 || info.SHA256 != "" || info.ETag == "" {
			t.Errorf("Stat = %+v", info)
		}
		got, _ := get(t, h.Store, "byhand", info.ETag)
		wantBytes(t, got, body)
	}},
	{"an object replaced by hand has another ETag, and no digest of the one before", func(t *testing.T, h Harness) {
		before := put(t, h.Store, "a", content(1, 5000))
		h.Plant(t, "a/target", content(2, 5000))
		after := stat(t, h.Store, "a")
		if after.ETag == before.ETag {
			t.Error("same ETag for other bytes of the same number")
		}
		if after.SHA256 != "" {
			t.Errorf("the digest %s is of bytes that are gone", after.SHA256)
		}
	}},
	{"a read of the current version succeeds", func(t *testing.T, h Harness) {
		body := content(3, 1000)
		info := put(t, h.Store, "a", body)
		got, _ := get(t, h.Store, "a", info.ETag)
		wantBytes(t, got, body)
	}},
	{"a read of a version that was replaced is IsReplaced, not something final", func(t *testing.T, h Harness) {
		old := put(t, h.Store, "a", content(1, 1000))
		put(t, h.Store, "a", content(2, 1000))
		_, _, err := h.Store.Open(t.Context(), id(t, "a"), old.ETag)
		if !target.IsReplaced(err) || !cordon.KindOf(err).Retryable() {
			t.Errorf("Open = %v, want the error of a replaced version", err)
		}
	}},
	{"a read of a version that was removed is TargetNotFound", func(t *testing.T, h Harness) {
		info := put(t, h.Store, "a", content(1, 1000))
		if err := h.Store.Remove(t.Context(), id(t, "a")); err != nil {
			t.Fatal(err)
		}
		_, _, err := h.Store.Open(t.Context(), id(t, "a"), info.ETag)
		wantKind(t, err, cordon.TargetNotFound)
	}},
	{"an object replaced while it is read is read whole as it was, or the read fails: never a mixture", func(t *testing.T, h Harness) {
		old := content(1, big)
		info := put(t, h.Store, "a", old)
		r, _, err := h.Store.Open(t.Context(), id(t, "a"), info.ETag)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		head := make([]byte, 1000)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		// A server may let the Put wait for its readers: this one does not wait for the Put.
		replaced := make(chan error, 1)
		go func() {
			_, err := h.Store.Put(context.Background(), info.ID, bytes.NewReader(content(2, big)), target.PutOptions{Size: big})
			replaced <- err
		}()
		select {
		case err := <-replaced:
			replaced <- err
		case <-time.After(time.Second):
		}
		rest, err := io.ReadAll(r)
		if perr := <-replaced; perr != nil {
			t.Errorf("Put: %v", perr)
		}
		if err != nil {
			if !target.IsReplaced(err) && cordon.KindOf(err) != cordon.StorageUnavailable {
				t.Errorf("the read failed with %v", err)
			}
			return
		}
		wantBytes(t, append(head, rest...), old)
	}},
	{"a reader that is closed early harms nobody", func(t *testing.T, h Harness) {
		body := content(1, big)
		put(t, h.Store, "a", body)
		for range 3 {
			r, _, err := h.Store.Open(t.Context(), id(t, "a"), "")
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		got, _ := get(t, h.Store, "a", "")
		wantBytes(t, got, body)
	}},
	{"many may read one object at once", func(t *testing.T, h Harness) {
		body := content(1, 300_000)
		info := put(t, h.Store, "a", body)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				r, _, err := h.Store.Open(context.Background(), info.ID, info.ETag)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			})
		}
		wg.Wait()
	}},
}
