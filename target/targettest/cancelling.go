package targettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// prompt is how soon after a cancellation a call is back: well inside of the
// five seconds of CONTRACT §1.6, and enough for a loaded machine.
const prompt = 3 * time.Second

var cancelling = []behaviour{
	{"a call whose context is over does nothing and says so", func(t *testing.T, h Harness) {
		put(t, h.Store, "a", content(1, 10))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, serr := h.Store.Stat(ctx, id(t, "a"))
		_, _, oerr := h.Store.Open(ctx, id(t, "a"), "")
		_, perr := h.Store.Put(ctx, id(t, "a"), bytes.NewReader(content(2, 10)), target.PutOptions{Size: 10})
		rerr := h.Store.Remove(ctx, id(t, "a"))
		var lerr error
		for _, lerr = range h.Store.List(ctx) {
		}
		_, prerr := h.Store.PutResult(ctx, "wf", "json", []byte("{}"))
		_, grerr := h.Store.GetResult(ctx, "wf", "json")
		for what, err := range map[string]error{"Stat": serr, "Open": oerr, "Put": perr, "Remove": rerr, "List": lerr, "PutResult": prerr, "GetResult": grerr} {
			if !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
				t.Errorf("%s: %v, want the context's error without a kind", what, err)
			}
		}
		got, _ := get(t, h.Store, "a", "")
		wantBytes(t, got, content(1, 10))
	}},
	{"a read ends with its context", func(t *testing.T, h Harness) {
		put(t, h.Store, "a", content(1, 2*big))
		ctx, cancel := context.WithCancel(t.Context())
		r, _, err := h.Store.Open(ctx, id(t, "a"), "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		cancel()
		began := time.Now()
		_, err = io.Copy(io.Discard, r)
		if !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
			t.Errorf("the read ended with %v, want the context's error without a kind", err)
		}
		if d := time.Since(began); d > prompt {
			t.Errorf("it took %v", d)
		}
	}},
	{"a Put that is cancelled half-way leaves nothing", func(t *testing.T, h Harness) {
		ctx, cancel := context.WithCancel(t.Context())
		pr, pw := io.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := h.Store.Put(ctx, id(t, "a"), pr, target.PutOptions{Size: -1})
			pr.CloseWithError(io.ErrClosedPipe)
			done <- err
		}()
		if _, err := pw.Write(content(1, big)); err != nil {
			t.Fatal(err)
		}
		cancel()
		// A pipe does not know of the context: the next byte lets the Put see it.
		_, _ = pw.Write(content(1, 100))
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
				t.Errorf("Put = %v, want the context's error without a kind", err)
			}
		case <-time.After(prompt):
			t.Fatal("Put goes on after its context is over")
		}
		if s := h.Stored(t); len(s) != 0 {
			t.Errorf("left behind: %q", s)
		}
	}},
}
