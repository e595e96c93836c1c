// Package inventory counts what a workspace consists of, by language and size, and points at files
// that should not lie in a project: private keys, credentials, dumps.
//
// What counts as sensitive is data, in sensitive.yaml, beside examples that the tests run.
package inventory
