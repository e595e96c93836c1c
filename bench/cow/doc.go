// Command cow measures what a workspace costs: Cordon's modes and copy-on-write
// drivers, as users get them from the engine, beside what they would pick
// instead (cp, rsync, shutil.copytree, a bare overlay mount, a btrfs snapshot).
//
// Everything happens in one run, on the same input, on the same loop file
// systems, and in turns: each round takes one sample of every contestant, so
// that what disturbs the machine disturbs all of them. ../README.md says how to
// run it and what each figure means.
//
// The files, in the order in which things happen: main.go (flags, checks),
// kernel.go and input.go (what is measured on), stand.go (one input on one file
// system), contestant.go, cordon.go and others.go (who is measured), trial.go,
// crowd.go and reading.go (what is measured), result.go, target.go, table.go
// (what is printed). What it shares with the other bench, the namespace and the
// file systems among it, is ../internal/lab.
package main
