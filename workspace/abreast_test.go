package workspace

import (
	"errors"
	"sync/atomic"
	"testing"
)

// Everything is done once, however many there are, and nothing new begins after an
// error, which is told.
func TestAbreast(t *testing.T) {
	for _, n := range []int{0, 1, 3, 1000} {
		times := make([]atomic.Int32, n)
		if err := abreast(n, func(i int) error { times[i].Add(1); return nil }); err != nil {
			t.Fatal(err)
		}
		for i := range times {
			if got := times[i].Load(); got != 1 {
				t.Errorf("%d of %d was done %d times", i, n, got)
			}
		}
	}
	broken := errors.New("broken")
	var calls atomic.Int32
	err := abreast(1_000_000, func(int) error { calls.Add(1); return broken })
	if !errors.Is(err, broken) || calls.Load() > mostAbreast {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}
