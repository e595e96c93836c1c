// Package fuzz runs fuzzers on the workspace of a run, and loses nothing of what
// they find.
//
// A harness is an entry point in a project that a fuzzer can drive. An Engine is
// one fuzzer: it finds the harnesses that are written for it, and makes a Binary of
// each, inside the workspace. What the two start is hostile code: every process
// is started by a Runner, which confines it.
//
// Packages below this one hold the engines: libfuzzer, atheris, cargofuzz, aflpp
// and gofuzz.
package fuzz
