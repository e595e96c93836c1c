package main

import (
	"context"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/bench/internal/naive"
)

// naive runs a command of the Python cache.
func (b *bench) naive(ctx context.Context, args ...string) (a answer, err error) {
	err = naive.Run(ctx, b.script, &a, args...)
	return a, err
}

// noLimit is more than any cache has here, in bytes.
const noLimit = "1000000000000000"

// timed runs a program and returns how many seconds it took, its start included.
func timed(ctx context.Context, name string, args ...string) (float64, error) {
	start := time.Now()
	err := lab.Command(ctx, name, args...)
	return time.Since(start).Seconds(), err
}
