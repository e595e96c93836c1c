// Command fleet measures where runs meet their target: a simulation of hosts with a cache
// and some slots each, of targets of which a few are wanted all the time, and of ways to
// choose the host of a run.
//
//	go run ./bench/fleet
package main
