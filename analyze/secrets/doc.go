// Package secrets finds passwords, keys and tokens in a workspace's files and in its
// git history, by all rules of gitleaks, used as a library.
//
// No secret leaves the package: not in a finding, not in a note, not in an error, not in a
// log. Findings show at most a long secret's first four characters (finding.Redact). A
// Scrubber does the same for the text that other analysers are about to show.
package secrets
