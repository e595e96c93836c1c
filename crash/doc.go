// Package crash is what is known of the crashes that fuzzers find: it reads the
// reports of sanitizers and languages, tells one bug from another, and stores
// inputs with all that is needed to see them crash again.
//
// # Words
//
// An input is a file that made a harness crash. A report is what Parse makes of
// the text that a fuzzer left of it. A bug is all inputs of one lineage with one
// Signature; a lineage is a project over all versions of its target.
//
// # Trust
//
// Logs come from hostile code. Parse takes time linear in what it reads, reads a
// bounded part, and yields text without control characters; what else is in it is
// for the reader to distrust.
package crash
