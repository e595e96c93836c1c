package gosec

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon/finding"
)

// report is what gosec prints. It is not trusted: the code under analysis shapes it.
type report struct {
	Errors map[string][]struct {
		Line  int    `json:"line"`
		Error string `json:"error"`
	} `json:"Golang errors"`
	Issues []issue `json:"Issues"`
	Stats  struct {
		Files int `json:"files"`
		NoSec int `json:"nosec"`
	} `json:"Stats"`
	Version string `json:"GosecVersion"`
}

type issue struct {
	Severity   string `json:"severity"`
	Confidence string `json:"confidence"`
	CWE        *struct {
		ID string `json:"id"`
	} `json:"cwe"`
	Rule    string `json:"rule_id"`
	Details string `json:"details"`
	File    string `json:"file"`
	Line    string `json:"line"` // "12" or "12-14"
}

// parseReport reads gosec's JSON.
func parseReport(b []byte) (*report, error) {
	// gosec may print a notice before the object.
	if i := strings.IndexByte(string(b), '{'); i > 0 {
		b = b[i:]
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("its output cannot be read: %w", err)
	}
	return &r, nil
}

// lines reads the range of lines, or 0, 0.
func (i issue) lines() (first, last int) {
	a, b, ranged := strings.Cut(i.Line, "-")
	first, err := strconv.Atoi(a)
	if err != nil || first < 1 {
		return 0, 0
	}
	last = first
	if ranged {
		if n, err := strconv.Atoi(b); err == nil && n > first {
			last = n
		}
	}
	return first, last
}

// path is the issue's file relative to root, with slashes; false if it lies elsewhere.
func (i issue) path(root string) (string, bool) {
	rel, err := filepath.Rel(root, i.File)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// severity combines gosec's severity and confidence: what it is not sure of is rated lower.
func (i issue) severity() finding.Severity {
	switch i.Rule {
	case "G104":
		return finding.Info // an unchecked error is a matter of quality first
	case "G115":
		return finding.Low // gosec calls every narrowing conversion high, and most are meant
	}
	var s finding.Severity
	switch strings.ToUpper(i.Severity) {
	case "CRITICAL":
		s = finding.Critical
	case "HIGH":
		s = finding.High
	case "MEDIUM":
		s = finding.Medium
	default:
		return finding.Low
	}
	if strings.EqualFold(i.Confidence, "LOW") {
		return map[finding.Severity]finding.Severity{finding.Critical: finding.High, finding.High: finding.Medium, finding.Medium: finding.Low}[s]
	}
	return s
}

// category maps gosec's groups of rules to those of Cordon's own.
func (i issue) category() string {
	switch i.Rule {
	case "G101":
		return "hardcoded-secret"
	case "G102", "G112", "G114", "G108":
		return "configuration"
	case "G201", "G202", "G701":
		return "sql-injection"
	case "G203", "G705":
		return "xss"
	case "G204", "G702":
		return "command-injection"
	case "G107", "G704":
		return "ssrf"
	case "G304", "G305", "G703":
		return "path-traversal"
	case "G402", "G123", "G106":
		return "transport"
	}
	switch {
	case strings.HasPrefix(i.Rule, "G3"):
		return "file-access"
	case strings.HasPrefix(i.Rule, "G4"), strings.HasPrefix(i.Rule, "G5"):
		return "weak-crypto"
	}
	return "go"
}

// advice is what to do about the commonest issues; gosec itself gives none.
func (i issue) advice() string {
	switch i.category() {
	case "hardcoded-secret":
		return "Read the value from the environment or a secret store, and change it."
	case "sql-injection":
		return "Pass values as parameters of the query."
	case "command-injection":
		return "Run a fixed program, and check each argument that comes from outside."
	case "weak-crypto":
		return "Use SHA-256 or better, AES-GCM, crypto/rand, and keys of 2048 bits or more."
	case "path-traversal":
		return "Open files through os.Root, or check that the cleaned path stays in the directory meant."
	case "file-access":
		return "Give files mode 0600 and directories 0750 or less, unless others must read them."
	case "transport":
		return "Leave certificate checks on and the minimum TLS version at 1.2 or above."
	}
	return "See https://securego.io/docs/rules/" + strings.ToLower(i.Rule) + " for what " + i.Rule + " means."
}
