// Package sarif reads the SARIF 2.1.0 logs of other people's tools into findings
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0).
//
// A log is the word of a tool that worked on hostile files: nothing in it is
// believed further than that. What one result lacks or has wrong costs that result
// what is missing, never the others; text is bounded, secrets are taken out, and a
// path counts only where it lies in the workspace.
package sarif
