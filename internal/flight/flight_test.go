package flight_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordonlabs/cordon/internal/flight"
)

// slow returns work that ends after d, or with its context's cause.
func slow(d time.Duration, runs *int) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		*runs++
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(d):
			return *runs, nil
		}
	}
}

func TestFlight(t *testing.T) {
	const linger = 10 * time.Minute
	for _, tc := range []struct {
		name string
		test func(t *testing.T, g *flight.Group[int])
	}{
		{"callers of one key share one run", func(t *testing.T, g *flight.Group[int]) {
			runs, joined := 0, 0
			done := make(chan bool)
			for range 5 {
				go func() {
					_, j, err := g.Do(t.Context(), "k", slow(time.Second, &runs))
					if err != nil {
						t.Error(err)
					}
					done <- j
				}()
			}
			for range 5 {
				if <-done {
					joined++
				}
			}
			if runs != 1 || joined != 4 {
				t.Errorf("%d runs, %d joined", runs, joined)
			}
		}},
		{"it is running for as long as others can join", func(t *testing.T, g *flight.Group[int]) {
			runs := 0
			ctx, cancel := context.WithCancel(t.Context())
			first := make(chan error, 1)
			go func() { _, _, err := g.Do(ctx, "k", slow(time.Second, &runs)); first <- err }()
			synctest.Wait()
			if !g.Running("k") || g.Running("other") {
				t.Error("it is not said which work is running")
			}
			cancel()
			<-first
			if g.Running("k") {
				t.Error("it is running after its only caller cancelled")
			}
		}},
		{"one of two callers cancels: the work goes on", func(t *testing.T, g *flight.Group[int]) {
			runs := 0
			ctx, cancel := context.WithCancel(t.Context())
			first := make(chan error, 1)
			go func() { _, _, err := g.Do(ctx, "k", slow(time.Second, &runs)); first <- err }()
			synctest.Wait()
			time.AfterFunc(time.Millisecond, cancel)
			if v, _, err := g.Do(t.Context(), "k", slow(time.Second, &runs)); v != 1 || err != nil {
				t.Errorf("second caller: %d, %v", v, err)
			}
			if err := <-first; !errors.Is(err, context.Canceled) {
				t.Errorf("first caller: %v", err)
			}
		}},
		{"the last caller cancels: the work stops before Do returns", func(t *testing.T, g *flight.Group[int]) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			stopped := false
			_, _, err := g.Do(ctx, "k", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				stopped = errors.Is(context.Cause(ctx), flight.ErrAbandoned)
				return 0, ctx.Err()
			})
			if !errors.Is(err, context.Canceled) || !stopped {
				t.Errorf("%v, stopped: %v", err, stopped)
			}
		}},
		{"a caller's time is up: the work goes on, and the next caller joins it", func(t *testing.T, g *flight.Group[int]) {
			runs := 0
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := g.Do(ctx, "k", slow(time.Minute, &runs)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("first caller: %v", err)
			}
			if v, joined, err := g.Do(t.Context(), "k", slow(time.Minute, &runs)); v != 1 || !joined || err != nil {
				t.Errorf("second caller: %d, %v, %v", v, joined, err)
			}
		}},
		{"nobody comes back: the work ends after its time", func(t *testing.T, g *flight.Group[int]) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start, ended := time.Now(), make(chan time.Duration, 1)
			_, _, _ = g.Do(ctx, "k", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				ended <- time.Since(start)
				return 0, nil
			})
			if d := <-ended; d != linger+time.Second {
				t.Errorf("ended after %v", d)
			}
		}},
		{"a failure is not remembered", func(t *testing.T, g *flight.Group[int]) {
			fail := errors.New("no")
			if _, _, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 0, fail }); err != fail {
				t.Error(err)
			}
			runs := 0
			if v, joined, err := g.Do(t.Context(), "k", slow(0, &runs)); v != 1 || joined || err != nil {
				t.Errorf("%d, %v, %v", v, joined, err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := flight.New[int](t.Context(), linger)
				tc.test(t, g)
				g.Wait()
			})
		})
	}

	t.Run("stopping the group stops its work", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stop, cancel := context.WithCancelCause(t.Context())
			g := flight.New[int](stop, linger)
			why := errors.New("closing")
			time.AfterFunc(time.Second, func() { cancel(why) })
			runs := 0
			if _, _, err := g.Do(t.Context(), "k", slow(time.Hour, &runs)); err != why {
				t.Error(err)
			}
			g.Wait()
		})
	})
}
