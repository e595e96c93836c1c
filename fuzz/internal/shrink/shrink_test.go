package shrink

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

func TestBytes(t *testing.T) {
	contains := func(parts ...string) func(context.Context, []byte) (bool, error) {
		return func(_ context.Context, b []byte) (bool, error) {
			for _, p := range parts {
				i := bytes.Index(b, []byte(p))
				if i < 0 {
					return false, nil
				}
				b = b[i+len(p):]
			}
			return true, nil
		}
	}
	pad := bytes.Repeat([]byte("padding."), 500)
	for _, c := range []struct {
		data  []byte
		parts []string
		want  string
	}{
		{append(append([]byte("X"), pad...), 'Y'), []string{"X", "Y"}, "XY"},
		{bytes.Join([][]byte{pad, []byte("bug"), pad}, nil), []string{"bug"}, "bug"},
		{[]byte("a"), []string{"a"}, "a"},
		{[]byte{}, nil, ""},
		{pad, nil, "p"}, // one byte stays: an empty input is no input
	} {
		calls := 0
		got, err := Bytes(t.Context(), c.data, func(ctx context.Context, b []byte) (bool, error) {
			calls++
			if len(b) == 0 {
				t.Error("asked about nothing at all")
			}
			return contains(c.parts...)(ctx, b)
		})
		if err != nil || (string(got) != c.want && len(got) != len(c.want)) {
			t.Errorf("%q: got %q, %v", c.want, got, err)
		}
		if calls > 500 {
			t.Errorf("%q: asked %d times", c.want, calls)
		}
	}
}

func TestBytesEnds(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 100)
	wrong := errors.New("wrong")
	if got, err := Bytes(t.Context(), data, func(context.Context, []byte) (bool, error) { return true, wrong }); err != wrong || len(got) != 100 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	got, err := Bytes(ctx, data, func(context.Context, []byte) (bool, error) {
		if calls++; calls == 2 {
			cancel()
		}
		return true, nil
	})
	if err != nil || len(got) != 50 || calls != 2 {
		t.Errorf("got %d bytes after %d calls, %v", len(got), calls, err)
	}
}
