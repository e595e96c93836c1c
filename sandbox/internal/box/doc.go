// Package box is the inside of a sandbox: the small init that package sandbox
// starts in new namespaces, that builds what the tool will see, forks it confined,
// reports how it ended, and takes everything that it left down with itself.
//
// The init is the program itself, run once more under the name Name: whatever
// imports package sandbox can be its own init, a test too. This package's init
// function takes over before the rest of the program is initialised. Go initialises
// packages that are ready in the order of their import paths, so it must go on
// importing little: os/signal, path/filepath and runtime/debug come after nearly all of
// a program with a Temporal server in it, and would cost 8 ms at every start.
//
// Nothing in here trusts what the tool can change. The init is not dumpable: its
// memory and descriptors are closed to a tool of its own uid.
package box
