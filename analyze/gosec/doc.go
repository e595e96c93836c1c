// Package gosec finds dangerous Go code by running the program gosec, where it is installed.
//
// The code under analysis is hostile, and gosec loads it through the go command. What that can
// be made to run is closed off one by one: no cgo (CGO_ENABLED=0), no other toolchain
// (GOTOOLCHAIN=local), no flags or settings of the user's (GOFLAGS of our own, GOENV=off), no go.work
// (GOWORK=off), no download and no version control program (GOPROXY=off, GOVCS off, -buildvcs=false, and a PATH with
// nothing but the go command). Home, build cache and module cache are a temporary directory outside of the
// workspace, which is not written to. No variable of the worker's, credentials least of all, is passed on.
//
// Without a network, dependencies are missing unless they are vendored. gosec then still reports
// what needs no types of theirs; the result says how many files that concerned.
package gosec
