// Package finding is what analysers say about a workspace, and what is done
// with it afterwards: findings with stable fingerprints, the project's ignore
// file, a baseline of what was known before, a summary, and SARIF 2.1.0.
//
// The order of things is: analysers make findings and Seal them; Ignore.Apply
// and Baseline.Filter take away what nobody wants to see again; Bound keeps the
// result within reason; NewSummary counts; WriteSARIF and encoding/json write.
//
// No function of this package ever sees a secret: analysers redact before they
// fill in a Finding, and a fingerprint is made of nothing that a Finding
// does not show anyway.
package finding
