// Package fuzztest defines by its suite how a fuzz.Engine behaves. An engine's own
// test names a small project with a planted bug and calls Engine.
package fuzztest
