// Package storm keeps the engine under fire: many processes do everything that
// there is to do on one cache directory, and are killed at random points of it,
// stopped, and started again. What the cache promises is looked at from outside,
// by a process that nobody kills.
//
// The processes are dumb: each carries out what it is told on its standard input,
// several things at once, and answers (wire.go, child.go). What is done is chosen
// by lanes in the process that looks (lane.go), each from a random source of its
// own. A lane has a few runs that are nobody else's and does one thing at a time for
// them, by any process. So it knows what each of its runs must have: what was handed
// out and is not being cleaned up has to be there with every byte, whatever became of
// the process that got it; what was under way in a process that died may be there or
// not, but never half (claim.go).
//
// A storm has seasons, each on a new cache: on the test's own file system, on a
// small one of another kind, with a time to live that is over in seconds, with an
// operator who removes parts of the cache by hand. A season has rounds. After each,
// when every process has ended, the invariants are looked at (quiet.go).
package storm
