// Package model_test compares the engine with a model of it: maps in memory, and
// the contract's rules for them.
//
// TestModel draws long sequences of calls with rapid, and says before each what
// must come of it: which path with which content, from where, or which error; who
// holds what afterwards; what had to be removed, and what might not. TestHistories
// lets several callers work at once, and asks porcupine whether there is an order
// of their calls, one after the other, in which the model answers the same.
//
// A failed TestModel prints the sequence, made shorter, and a seed that repeats it
// (-rapid.seed). More than the default: go test ./internal/model -rapid.checks 1000.
package model_test

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	// The command line comes later and so has the last word.
	for name, value := range map[string]string{
		"rapid.checks": "8", "rapid.steps": "150", "rapid.shrinktime": "10s",
		"rapid.nofailfile": "true", // the seed repeats a failure as well, and leaves nothing in the source tree
	} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
