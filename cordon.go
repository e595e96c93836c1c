// Package cordon holds the vocabulary that every other package of the module
// speaks: target and run ids, isolation modes, sizes, and errors with a kind.
//
// A value of one of these types is valid by construction: it was parsed once,
// at the door, and is never checked again further in. The package imports
// nothing but the standard library, so that anything may import it.
package cordon
