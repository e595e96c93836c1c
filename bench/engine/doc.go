// Command engine measures what the cache engine itself costs: hits, small
// workspaces, cleanups, and looking after ten thousand entries, beside what a
// user would pick instead (rm, du, shutil.rmtree, and a cache in Python that
// walks its directory to learn its size).
//
// Everything happens in one run and on one file system, and in turns: each round
// takes one sample of everything, so that what disturbs the machine disturbs all
// of it. The engine is always in a process of its own, as workers are. The store
// answers at once: what a question to a server takes is not the engine's.
// ../README.md says how to run it and what each figure means.
//
// The files, in the order in which things happen: main.go (flags, checks),
// place.go (what it happens on), store.go and input.go (the targets), worker.go
// and job.go (the engine in its process), others.go (what else there is,
// ../internal/naive among it), bench.go, hits.go, small.go, trees.go, many.go and memory.go (what
// is measured), result.go, goal.go, table.go (what is printed).
package main
