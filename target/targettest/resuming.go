package targettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// breakOff begins to put body with Resume and is cancelled when a part has been
// read.
func breakOff(t *testing.T, s target.Store, name string, body []byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(bytes.NewReader(body[:big-4321]), iotest.ErrReader(context.Canceled))
	_, err := s.Put(ctx, id(t, name), readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err != nil {
			cancel()
		}
		return n, err
	}), target.PutOptions{Size: int64(len(body)), SHA256: digest(body), Resume: true})
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Put = %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// resuming is what holds of PutOptions.Resume in every store, those included
// that ignore it.
var resuming = []behaviour{
	{"a Put that may be resumed stores what any Put stores, and replaces what was there", func(t *testing.T, h Harness) {
		for _, n := range []int{0, 1000, 16 << 20, big} {
			body := content(uint64(n), n)
			info, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: int64(n), SHA256: digest(body), Resume: true})
			if err != nil || info.Size != int64(n) || info.SHA256 != digest(body) {
				t.Errorf("%d bytes: Put = %+v, %v", n, info, err)
			}
			got, read := get(t, h.Store, "a", info.ETag)
			wantBytes(t, got, body)
			sameInfo(t, "Open", read, info)
		}
	}},
	{"the first Put that may be resumed makes the place for targets", func(t *testing.T, h Harness) {
		body := content(1, big)
		if _, err := h.Bare.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: big, Resume: true}); err != nil {
			t.Fatal(err)
		}
		got, _ := get(t, h.Bare, "a", "")
		wantBytes(t, got, body)
	}},
	{"what is kept of a Put that broke off is out of sight, and the next Put stores the whole", func(t *testing.T, h Harness) {
		body := content(1, big)
		breakOff(t, h.Store, "a", body)
		_, err := h.Store.Stat(t.Context(), id(t, "a"))
		wantKind(t, err, cordon.TargetNotFound)
		if infos := list(t, h.Store); len(infos) != 0 {
			t.Errorf("List = %+v", infos)
		}
		info, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: big, SHA256: digest(body), Resume: true})
		if err != nil || info.SHA256 != digest(body) {
			t.Errorf("Put = %+v, %v", info, err)
		}
		got, _ := get(t, h.Store, "a", info.ETag)
		wantBytes(t, got, body)
	}},
	{"a Put of other bytes than one that broke off stores its own, at the second time and without Resume if the first is Busy", func(t *testing.T, h Harness) {
		body := content(2, big)
		breakOff(t, h.Store, "a", content(1, big))
		opts := target.PutOptions{Size: big, SHA256: digest(body), Resume: true}
		info, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), opts)
		if cordon.KindOf(err) == cordon.Busy {
			opts.Resume = false
			info, err = h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), opts)
		}
		if err != nil || info.SHA256 != digest(body) {
			t.Fatalf("Put = %+v, %v", info, err)
		}
		got, _ := get(t, h.Store, "a", info.ETag)
		wantBytes(t, got, body)
		after := h.Stored(t)
		put(t, h.Store, "a", body)
		if s := h.Stored(t); len(s) != len(after) {
			t.Errorf("stored was %q, after a plain Put it is %q", after, s)
		}
	}},
	{"a Put that may be resumed and whose bytes fail leaves nothing, also of one before", func(t *testing.T, h Harness) {
		body := content(1, big)
		breakOff(t, h.Store, "a", body)
		r := io.MultiReader(bytes.NewReader(body[:big-1]), iotest.ErrReader(errUploader))
		if _, err := h.Store.Put(t.Context(), id(t, "a"), r, target.PutOptions{Size: big, Resume: true}); !errors.Is(err, errUploader) {
			t.Errorf("Put = %v", err)
		}
		breakOff(t, h.Store, "a", body)
		_, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: big, SHA256: digest(nil), Resume: true})
		wantKind(t, err, cordon.IntegrityMismatch)
		if s := h.Stored(t); len(s) != 0 {
			t.Errorf("left behind: %q", s)
		}
	}},
}
