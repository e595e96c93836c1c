// Package fleet holds tests of several hosts at one Temporal server: real workers, each
// with a cache of its own, that are killed, frozen and restarted while runs work on them.
//
// As root each host has a mount namespace in which its cache is at the same path as
// everybody else's, as it is on machines of their own; without, the paths differ, and what
// depends on that is skipped.
package fleet
