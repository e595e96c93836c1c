package secrets

import (
	"context"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/finding"
)

// Scrubber takes secrets out of text: those that it was told of, those that gitleaks' rules
// recognise, and what merely looks like one (a quoted value for a name like "password",
// a password in a URL, a private key's lines, a long random word). It rather takes too much. It
// implements analyze.Scrubber and is safe for concurrent use.
type Scrubber struct {
	d *detector

	mu    sync.RWMutex
	known map[string]string // a secret, or a line of one → what is shown instead
}

// NewScrubber returns a Scrubber that knows no secret yet.
func NewScrubber() (*Scrubber, error) {
	d, err := newDetector()
	if err != nil {
		return nil, err
	}
	return &Scrubber{d: d, known: make(map[string]string)}, nil
}

// minKnown is the length below which a known secret is not taken out wherever it
// occurs: shorter ones are words that occur everywhere.
const minKnown = 5

// maxKnown bounds the secrets that are looked for one by one. Those past it are still recognised by the rules.
const maxKnown = 20_000

// Add tells the scrubber of a secret. Scan does so with all it finds.
func (s *Scrubber) Add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line, shown := range masks(secret) {
		if len(line) >= minKnown && len(s.known) < maxKnown {
			s.known[line] = shown
		}
	}
}

// masks yields the lines of a secret and what to show instead. Of one with many lines, a private key, nothing is
// shown: the beginnings of all its lines together would be much of it.
func masks(secret string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		secret = strings.TrimSpace(secret)
		if !strings.Contains(secret, "\n") {
			_ = secret == "" || yield(secret, finding.Redact(secret)) // there is no more to yield
			return
		}
		for line := range strings.SplitSeq(secret, "\n") {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "-----BEGIN ") || strings.HasPrefix(line, "-----END ") && strings.HasSuffix(line, "-----") {
				continue
			}
			if !yield(line, finding.Mask) {
				return
			}
		}
	}
}

// maxScrubbed is how many secrets are taken out of one text one by one. Of a text with more,
// a dump of keys, nothing is shown.
const maxScrubbed = 500

// Scrub implements analyze.Scrubber.
func (s *Scrubber) Scrub(text string) string {
	found, err := s.d.find(context.Background(), "", text, 1)
	if err != nil || len(found) > maxScrubbed {
		return finding.Mask + strings.Repeat("\n"+finding.Mask, strings.Count(text, "\n"))
	}
	lines := strings.Split(text, "\n")
	var values []string
	for _, f := range found {
		values = append(values, f.Secret)
		maskEncoded(lines, f.StartLine, f.EndLine, f.Secret)
	}
	return s.clean(lines, values)
}

// maskEncoded blanks lines first to last if the secret does not stand in them as it is: it was
// decoded, and what encodes it is as good as it.
func maskEncoded(lines []string, first, last int, secret string) {
	first, last = max(first, 1), min(last, len(lines))
	if first > last {
		return
	}
	// gitleaks may count a match's last line as the one before or after.
	around := lines[max(first-2, 0):min(last+1, len(lines))]
	if strings.Contains(strings.Join(around, "\n"), secret) {
		return
	}
	for i := first - 1; i < last; i++ {
		if !pemLine.MatchString(lines[i]) { // maskSuspects leaves of such a line what kind of key it begins
			lines[i] = finding.Mask
		}
	}
}

// clean takes values, what is known and what looks like a secret out of lines.
func (s *Scrubber) clean(lines, values []string) string {
	shown := make(map[string]string)
	for _, v := range values {
		for line, mask := range masks(v) {
			shown[line] = mask
		}
	}
	text := strings.Join(lines, "\n")
	s.mu.RLock()
	for k, mask := range s.known {
		if strings.Contains(text, k) {
			shown[k] = mask
		}
	}
	s.mu.RUnlock()
	// The longest first: else a secret that holds another one would show its rest.
	for _, v := range byLength(slices.Sorted(maps.Keys(shown))) {
		text = strings.ReplaceAll(text, v, shown[v])
	}
	return maskSuspects(text)
}

var (
	// A value of a name that says it is secret, quoted, or the rest of the line after NAME= in capitals.
	suspectQuoted = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key|credentials?|auth)\w*["'\]]{0,2}\s*(?::=|=>|[:=,(])\s*(?:[bru]{0,2}))("(?:[^"\\\n]|\\.){3,}"|'(?:[^'\\\n]|\\.){3,}')`)
	suspectPlain  = regexp.MustCompile(`(?m)(\b[A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|CREDENTIALS?)[A-Z0-9_]*\s*=\s*)([^\s"'$(){}<>\[\]]{6,})`)
	suspectURL    = regexp.MustCompile(`(://[^/\s:@"']*:)([^@\s/"'${}]{3,})(@)`)
	suspectAuth   = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)([A-Za-z0-9+/._~=-]{12,})`)
	suspectWord   = regexp.MustCompile(`[A-Za-z0-9+/_=-]{32,}`)
	pemLine       = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY`)
	pemEnd        = regexp.MustCompile(`-----END [A-Z0-9 ]*PRIVATE KEY`)
)

// maskSuspects masks what looks like a secret by itself or by its surroundings.
func maskSuspects(text string) string {
	text = suspectQuoted.ReplaceAllStringFunc(text, func(m string) string {
		g := suspectQuoted.FindStringSubmatch(m)
		return g[1] + g[2][:1] + finding.Mask + g[2][:1]
	})
	text = suspectPlain.ReplaceAllString(text, "${1}"+finding.Mask)
	text = suspectURL.ReplaceAllString(text, "${1}"+finding.Mask+"${3}")
	text = suspectAuth.ReplaceAllString(text, "${1}${2}"+finding.Mask)
	text = suspectWord.ReplaceAllStringFunc(text, func(w string) string {
		if looksRandom(w) {
			return finding.Redact(w)
		}
		return w
	})
	if !pemLine.MatchString(text) {
		return text
	}
	lines := strings.Split(text, "\n")
	in := false
	for i, l := range lines {
		switch {
		case pemLine.MatchString(l):
			in = !pemEnd.MatchString(l)
			lines[i] = pemLine.FindString(l) + " " + finding.Mask
		case in && pemEnd.MatchString(l):
			in = false
		case in:
			lines[i] = finding.Mask
		}
	}
	return strings.Join(lines, "\n")
}

// looksRandom tells a key from a long identifier or path: digits among
// letters of both cases, or hexadecimal.
func looksRandom(w string) bool {
	var digit, upper, lower, other, hex int
	for _, c := range []byte(w) {
		switch {
		case c >= '0' && c <= '9':
			digit++
			hex++
		case c >= 'A' && c <= 'Z':
			upper++
			if c <= 'F' {
				hex++
			}
		case c >= 'a' && c <= 'z':
			lower++
			if c <= 'f' {
				hex++
			}
		default:
			other++
		}
	}
	if hex == len(w) && digit > 3 {
		return true
	}
	return digit >= 3 && upper >= 3 && lower >= 3 && other <= len(w)/8
}
