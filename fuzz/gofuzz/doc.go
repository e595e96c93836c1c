// Package gofuzz is the engine "go": the fuzzer that is part of the go command.
//
// A harness is a func FuzzXxx(f *testing.F) in a _test.go file of a module. It is
// called after its directory and its function: "parser/json.FuzzDecode", or
// "FuzzDecode" in the root of the project.
//
// The go command builds one test binary of each harness, with its caches inside of
// Project.Out. Without a network that works for what needs no module from
// elsewhere, or has a vendor directory.
//
// One file is added to package testing while it is compiled, by the compiler's
// overlay: inside.go.txt. It does what the go command has no flags for: crashes are
// written to a directory of the session instead of the project's testdata, where
// they would change the project and end the next session at once; and a process
// ends by itself, saying why, where an input takes too much time or memory.
//
// # Inputs
//
// A corpus holds files in Go's own format ("go test fuzz v1"). Of a harness that
// takes one []byte or string, a file in any other format is taken as that
// argument, so that corpora of other engines serve as well; new inputs are in Go's
// format always. What the project has in testdata/fuzz/FuzzXxx takes part as
// seeds. An input of these or of the corpus that crashes is reported, and the session
// goes on without it. That one of f.Add crashes cannot be passed by: it ends each
// session, and its file in Artifacts holds its name (see seedFile).
//
// # What differs from the interface
//
// Running the corpus once at the beginning does not count towards Session.Runs.
// An input is a hang after 9 seconds at most, since Go ends a process that takes 10.
// Dictionaries are not used. Sanitizers are "thread", which is Go's race
// detector and needs a C compiler, and "none".
package gofuzz
