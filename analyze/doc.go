// Package analyze holds what all analysers of a workspace share: reading a hostile
// tree safely, knowing languages by file name, and the shape of a result.
//
// Its sub-packages are the analysers: secrets, inventory, code and gosec. Each takes a
// directory and returns a Result; none writes into the directory, none knows Temporal,
// and none lets a secret out: see Scrubber.
package analyze
