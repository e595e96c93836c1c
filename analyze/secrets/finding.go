package secrets

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cordonlabs/cordon/finding"
)

// maxSnippetLines and maxSnippetBytes bound a snippet: a private key's beginning says what it is.
const (
	maxSnippetLines = 3
	maxSnippetBytes = 300
)

// finding describes a leak without showing it. values are the file's secrets, and line is the
// cleaned text of the line that it stands on.
func (s *scan) finding(path string, l *leak, values []string, line string) finding.Finding {
	snippet := line
	if !strings.Contains(l.Line, l.Secret) {
		snippet = finding.Mask // found in an encoded form, which is as good as the secret
	}
	f := finding.Finding{
		RuleID:      "secret-" + l.RuleID,
		Title:       "Secret in the code: " + strings.ReplaceAll(l.RuleID, "-", " "),
		Description: firstSentence(l.Description),
		Severity:    severityOf(l),
		Category:    "secret",
		FilePath:    path, LineStart: max(l.StartLine, 1), LineEnd: max(l.EndLine, l.StartLine, 1),
		CodeSnippet: snippet,
		Recommendation: "Revoke the secret and make a new one: whoever could read the code may have it. " +
			"Keep the new one out of the code, in the environment or a secret store.",
		Metadata: map[string]any{"tool": "gitleaks", "cwe": "CWE-798", "source": "file", "secret": redact(l.Secret)},
		Key:      keyLine(l, values),
	}
	if l.commit != "" {
		f.Title = "Secret in the git history: " + strings.ReplaceAll(l.RuleID, "-", " ")
		f.Metadata["source"] = "history"
		f.Metadata["commit"] = l.commit
		f.Metadata["commit_date"] = l.date
		f.Metadata["commits"] = l.commits
		f.Key += " " + l.commit
		f.Recommendation += " Removing it from the newest version is not enough: it stays in the history."
	}
	return f
}

// redact is finding.Redact for one line; of several nothing is shown.
func redact(secret string) string {
	if strings.Contains(strings.TrimSpace(secret), "\n") {
		return finding.Mask
	}
	return finding.Redact(secret)
}

// severityOf rates a leak. A rule that knows a provider's format is nearly sure; the generic one
// guesses. What is only in the history is as bad: it can be read by everybody with a clone.
func severityOf(l *leak) finding.Severity {
	switch {
	case l.RuleID == "private-key" || strings.HasPrefix(l.RuleID, "aws-") || strings.HasPrefix(l.RuleID, "gcp-") || strings.HasPrefix(l.RuleID, "github-") || strings.HasPrefix(l.RuleID, "stripe-"):
		return finding.Critical
	case strings.Contains(l.RuleID, "generic"):
		return finding.Medium
	}
	return finding.High
}

// clean makes a snippet of the code around a leak. values are the file's secrets, the longest first.
func (s *scan) clean(line string, values []string) string {
	text := s.scrub.Scrub(strings.Trim(line, "\n"))
	for _, v := range values {
		text = strings.ReplaceAll(text, v, redact(v)) // those too short to be known everywhere
	}
	lines := strings.Split(text, "\n")
	if len(lines) > maxSnippetLines {
		lines = append(lines[:maxSnippetLines:maxSnippetLines], "…")
	}
	for i, line := range lines {
		line = strings.ToValidUTF8(strings.TrimSpace(line), "�")
		if len(line) > maxSnippetBytes {
			line = strings.ToValidUTF8(line[:maxSnippetBytes], "") + "…"
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// nameBefore is the name that stands before a secret: `api_key` in `api_key = "…"`.
var nameBefore = regexp.MustCompile(`([A-Za-z_][A-Za-z_.-]{0,40})[^A-Za-z]*$`)

// keyLine is what the fingerprint is made of: the name before the secret, no part of the secret and no
// hash of it. A plain hash of a short secret would give it away; and whatever else stands on the
// line may be a secret that no rule knows.
func keyLine(l *leak, values []string) string {
	before, _, ok := strings.Cut(l.Line, l.Secret)
	if !ok {
		return "encoded"
	}
	before = before[strings.LastIndexByte(before, '\n')+1:]
	name := ""
	if m := nameBefore.FindStringSubmatch(before[max(0, len(before)-60):]); m != nil {
		name = m[1]
	}
	for _, v := range values {
		if strings.Contains(v, name) || strings.Contains(name, v) {
			return ""
		}
	}
	return name
}

// firstSentence keeps gitleaks' descriptions from running on, and from being empty.
func firstSentence(s string) string {
	if s == "" {
		return "A secret stands in the code."
	}
	return fmt.Sprintf("%s.", strings.TrimSuffix(s, "."))
}
