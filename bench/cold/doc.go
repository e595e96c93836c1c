// Command cold measures the first run of a target on a cold cache: from the
// store to the tree, as users get it from the engine's own Open and Get, beside
// what they would type instead (tar, bsdtar, unzip, curl | tar, a Python script),
// and beside the limits: decoding alone, writing alone, transfer alone.
//
// Everything happens in one run, on the same objects, and in turns: each round
// takes one sample of every contestant, each on a file system of its own that is
// thrown away, so that what disturbs the machine disturbs all of them.
// ../README.md says how to run it and what each figure means.
//
// The files, in the order in which things happen: main.go and options.go (flags,
// checks), input.go, tree.go, keep.go, look.go (what is fetched), minio.go, venv.go (what
// it is fetched with), stand.go (one object on one file system), contestant.go,
// limit.go (who is measured), child.go (Cordon, in a process of its own),
// timed.go (everybody else), sample.go (one sample), result.go, goal.go, table.go
// (what is printed).
package main
