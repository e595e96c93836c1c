package targettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var errUploader = errors.New("the uploader's disk broke")

var writing = []behaviour{
	{"the first Put makes the place for targets", func(t *testing.T, h Harness) {
		body := content(1, 100)
		put(t, h.Bare, "a", body)
		got, _ := get(t, h.Bare, "a", "")
		wantBytes(t, got, body)
	}},
	{"the first Put of a large object of unknown size makes the place for targets", func(t *testing.T, h Harness) {
		body := content(1, big)
		if _, err := h.Bare.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: -1}); err != nil {
			t.Fatal(err)
		}
		got, _ := get(t, h.Bare, "a", "")
		wantBytes(t, got, body)
	}},
	{"objects of every size are stored, whether the size is known or not", func(t *testing.T, h Harness) {
		sizes := []int{0, 1, 4096, 16<<20 - 1, 16 << 20, 16<<20 + 1, 32 << 20}
		if h.Again {
			sizes = []int{0, 1, 4096, 16 << 20, 16<<20 + 1}
		}
		for _, n := range sizes {
			body := content(uint64(n), n)
			for _, opts := range []target.PutOptions{
				{Size: int64(n)},
				{Size: int64(n), SHA256: digest(body)},
				{Size: -1},
				{Size: -1, SHA256: digest(body)},
			} {
				if n > 1<<20 && (opts.SHA256 == "") != (opts.Size < 0) {
					continue // half of the combinations of large ones: they take long
				}
				if h.Again && n == 16<<20 && opts.Size < 0 {
					continue // cut or not, it is in parts then, as the next size is
				}
				info, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), opts)
				if err != nil {
					t.Errorf("%d bytes, %+v: %v", n, opts, err)
					continue
				}
				if info.Size != int64(n) || info.SHA256 != opts.SHA256 {
					t.Errorf("%d bytes, %+v: Put = %+v", n, opts, info)
				}
				got, read := get(t, h.Store, "a", info.ETag)
				wantBytes(t, got, body)
				sameInfo(t, "Open", read, info)
			}
		}
	}},
	{"a reader that yields a byte at a time, or data together with the end, is read whole", func(t *testing.T, h Harness) {
		body := content(1, 3000)
		for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(bytes.NewReader(body))} {
			if _, err := h.Store.Put(t.Context(), id(t, "a"), r, target.PutOptions{Size: 3000, SHA256: digest(body)}); err != nil {
				t.Error(err)
			}
			got, _ := get(t, h.Store, "a", "")
			wantBytes(t, got, body)
		}
	}},
	{"Put tells how many bytes have gone out, from one goroutine at a time, and in the end all", func(t *testing.T, h Harness) {
		for _, n := range []int{1, 1000, big} {
			var told []int64 // the race detector finds calls at once
			over := false
			opts := target.PutOptions{Size: int64(n), Sent: func(bytes int64) {
				told = append(told, bytes)
				if over {
					t.Error("it is told after the end")
				}
			}}
			if _, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(content(1, n)), opts); err != nil {
				t.Fatal(err)
			}
			over = true
			if len(told) == 0 || told[len(told)-1] != int64(n) || n == big && len(told) < 10 {
				t.Errorf("of %d bytes it was told %v", n, told)
			}
		}
	}},
	{"ids of every legal spelling are keys of their own", func(t *testing.T, h Harness) {
		names := []string{"sha256-00ff", "a b", "a+b", "a%20b", "größe", "名", "q?x=1&y#z", "a:b@c", strings.Repeat("x", cordon.MaxIDBytes), "~", "con'\"`$"}
		for i, name := range names {
			put(t, h.Store, name, content(uint64(i), 50))
		}
		for i, name := range names {
			got, _ := get(t, h.Store, name, "")
			wantBytes(t, got, content(uint64(i), 50))
		}
	}},
	{"a digest in capitals is the same digest", func(t *testing.T, h Harness) {
		body := content(1, 100)
		info, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: -1, SHA256: strings.ToUpper(digest(body))})
		if err != nil || info.SHA256 != digest(body) || stat(t, h.Store, "a").SHA256 != digest(body) {
			t.Errorf("Put = %+v, %v", info, err)
		}
	}},
	{"a digest that is none is InvalidArgument", func(t *testing.T, h Harness) {
		for _, d := range []string{"abc", strings.Repeat("g", 64), "sha256:" + digest(nil)} {
			_, err := h.Store.Put(t.Context(), id(t, "a"), strings.NewReader("x"), target.PutOptions{Size: 1, SHA256: d})
			wantKind(t, err, cordon.InvalidArgument)
		}
	}},
	{"an object put without a digest has none, also where the one before had", func(t *testing.T, h Harness) {
		put(t, h.Store, "a", content(1, 100))
		if _, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(content(2, 100)), target.PutOptions{Size: 100}); err != nil {
			t.Fatal(err)
		}
		if d := stat(t, h.Store, "a").SHA256; d != "" {
			t.Errorf("it has the digest %s", d)
		}
	}},
	{"a Put whose bytes differ from what was stated is IntegrityMismatch and changes nothing", func(t *testing.T, h Harness) {
		for _, n := range []int{1000, big} {
			old := content(1, 500)
			before := put(t, h.Store, "a", old)
			stored := h.Stored(t)
			body := content(2, n)
			for what, opts := range map[string]target.PutOptions{
				"another digest":                       {Size: int64(n), SHA256: digest(old)},
				"another digest, unknown size":         {Size: -1, SHA256: digest(old)},
				"fewer bytes":                          {Size: int64(n) + 1},
				"fewer bytes, by more than a part":     {Size: int64(n) + 20<<20},
				"more bytes":                           {Size: int64(n) - 1},
				"more bytes than none":                 {Size: 0},
				"more bytes, and the digest of them":   {Size: int64(n) - 1, SHA256: digest(body)},
				"fewer bytes, and the digest of those": {Size: int64(n) + 1, SHA256: digest(body)},
			} {
				_, err := h.Store.Put(t.Context(), id(t, "a"), bytes.NewReader(body), opts)
				if cordon.KindOf(err) != cordon.IntegrityMismatch {
					t.Errorf("%d bytes, %s: %v", n, what, err)
				}
			}
			got, _ := get(t, h.Store, "a", before.ETag)
			wantBytes(t, got, old)
			if after := h.Stored(t); len(after) != len(stored) {
				t.Errorf("stored is %q, before it was %q", after, stored)
			}
		}
	}},
	{"a Put whose reader fails has that error and leaves nothing", func(t *testing.T, h Harness) {
		for _, n := range []int{0, 1000, big} {
			for _, cause := range []error{errUploader, io.ErrUnexpectedEOF, &cordon.Error{Kind: cordon.TargetTooLarge, Op: "read", Err: errUploader}} {
				r := io.MultiReader(bytes.NewReader(content(1, n)), iotest.ErrReader(cause))
				_, err := h.Store.Put(t.Context(), id(t, "a"), r, target.PutOptions{Size: -1})
				if !errors.Is(err, cause) || cordon.KindOf(err) != cordon.KindOf(cause) {
					t.Errorf("%d bytes: Put = %v, want an error that wraps %v", n, err, cause)
				}
			}
		}
		if s := h.Stored(t); len(s) != 0 {
			t.Errorf("left behind: %q", s)
		}
	}},
	{"an object is invisible until it is complete", func(t *testing.T, h Harness) {
		put(t, h.Store, "old", content(1, 700))
		for _, name := range []string{"new", "old"} {
			pr, pw := io.Pipe()
			done := make(chan error, 1)
			go func() {
				_, err := h.Store.Put(context.Background(), id(t, name), pr, target.PutOptions{Size: -1})
				pr.CloseWithError(err)
				done <- err
			}()
			body := content(2, big)
			if _, err := pw.Write(body); err != nil {
				t.Fatal(err)
			}
			if name == "new" {
				_, err := h.Store.Stat(t.Context(), id(t, name))
				wantKind(t, err, cordon.TargetNotFound)
				for info, err := range h.Store.List(t.Context()) {
					if err != nil || info.ID != id(t, "old") {
						t.Errorf("List has %+v, %v", info, err)
					}
				}
			} else {
				got, _ := get(t, h.Store, name, "")
				wantBytes(t, got, content(1, 700))
			}
			pw.Close()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			got, _ := get(t, h.Store, name, "")
			wantBytes(t, got, body)
		}
	}},
	{"of two Puts at once under one id, one wins and is whole", func(t *testing.T, h Harness) {
		var bodies [4][]byte
		var wg sync.WaitGroup
		for i := range bodies {
			bodies[i] = content(uint64(i), 200_000+i)
			wg.Go(func() {
				if _, err := h.Store.Put(context.Background(), id(t, "a"), bytes.NewReader(bodies[i]), target.PutOptions{Size: int64(len(bodies[i])), SHA256: digest(bodies[i])}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, info := get(t, h.Store, "a", "")
		for _, b := range bodies {
			if bytes.Equal(got, b) {
				if info.SHA256 != "" && info.SHA256 != digest(b) {
					t.Error("the digest is of another one's bytes")
				}
				return
			}
		}
		t.Errorf("the object is none of those that were put: %d bytes", len(got))
	}},
	{"Remove removes, and only that", func(t *testing.T, h Harness) {
		put(t, h.Store, "a", content(1, 100))
		put(t, h.Store, "ab", content(2, 100))
		if err := h.Store.Remove(t.Context(), id(t, "a")); err != nil {
			t.Fatal(err)
		}
		_, err := h.Store.Stat(t.Context(), id(t, "a"))
		wantKind(t, err, cordon.TargetNotFound)
		wantKind(t, h.Store.Remove(t.Context(), id(t, "a")), cordon.TargetNotFound)
		got, _ := get(t, h.Store, "ab", "")
		wantBytes(t, got, content(2, 100))
		put(t, h.Store, "a", content(3, 100))
		got, _ = get(t, h.Store, "a", "")
		wantBytes(t, got, content(3, 100))
	}},
	{"Put and Remove under one id at once end in one of the two", func(t *testing.T, h Harness) {
		body := content(1, 2000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if _, err := h.Store.Put(context.Background(), id(t, "a"), bytes.NewReader(body), target.PutOptions{Size: 2000}); err != nil {
						t.Error(err)
					}
					if err := h.Store.Remove(context.Background(), id(t, "a")); err != nil && cordon.KindOf(err) != cordon.TargetNotFound {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if s := h.Stored(t); len(s) != 0 {
			t.Errorf("left behind: %q", s)
		}
	}},
}
