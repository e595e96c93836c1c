package libfuzz

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
)

// Bounds of what is kept of one process's output.
const (
	maxLine   = 16 << 10 // of a line; the rest of it is dropped. C++ has names of kilobytes
	maxHead   = 96 << 10 // of a report; the stack of an endless recursion has 60 KiB
	maxTail   = 32 << 10 // of a report, where its head is not enough
	maxLast   = 4 << 10  // of what was said last
	maxInputs = 16       // that one process claims to have written; it ends with the first
)

// output reads what one process says. It is an io.Writer for both its standard
// output and its standard error.
type output struct {
	mu      sync.Mutex
	now     func() time.Time
	line    []byte
	cut     bool // the line is longer than maxLine
	began   time.Time
	lastNew time.Time
	at      time.Time // of the status
	status  status
	final   int64 // executions, by the statistics at the end
	started bool  // inputs have been run
	merged  bool  // a merge came to its end

	report   *excerpt.Text // since the fuzzer, a sanitizer or the language began to complain; or nil
	accused  bool          // that the complaint ends the process
	hidden   int           // lines that follow show the input
	tail     *excerpt.Text // what it said last
	artifact []string      // base names of inputs that were written
}

func newOutput() *output {
	return &output{now: time.Now, began: time.Now(), tail: excerpt.New(0, maxLast)}
}

// Write implements io.Writer. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for rest := p; len(rest) > 0; {
		piece, after, full := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(o.line); len(piece) > room {
			piece, o.cut = piece[:room], true
		}
		o.line = append(o.line, piece...)
		if full {
			o.take()
		}
		rest = after
	}
	return len(p), nil
}

// end takes the last line, which may have no end.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) > 0 {
		o.take()
	}
}

var (
	// accusation begins a report that ends the process.
	accusation = regexp.MustCompile(`^==\d+==\s*ERROR: |^==\d+==\s*WARNING: MemorySanitizer|^WARNING: ThreadSanitizer|^ALARM: working on the last Unit|^ === (Uncaught Python exception|Timeout)`)

	// complaint begins a report that may be followed by nothing.
	complaint = regexp.MustCompile(`: runtime error: |^thread '.*' .*panicked at |: Assertion .* failed|^terminate called |^Fatal Python error|^panic: `)

	mergeDone = regexp.MustCompile(`^MERGE-OUTER: \d+ new files with \d+ new features added`)

	written = regexp.MustCompile(`Test unit written to (\S.*)$`)

	// ours are the names that libFuzzer gives to inputs.
	ours = regexp.MustCompile(`^(crash|timeout|oom|leak)-[0-9a-f]{40}$`)
)

var (
	ruler     = []byte("=================================================================")
	finalRuns = []byte("stat::number_of_executed_units:")
	running   = []byte("Running: ")
)

// take looks at the line that is complete, and forgets it.
func (o *output) take() {
	line := bytes.TrimRight(o.line, "\r")
	defer func() { o.line, o.cut = o.line[:0], false }()

	if s, ok := parseStatus(line); ok {
		o.started = true
		o.at = o.now()
		if s.event == "NEW" {
			o.lastNew = o.at
		}
		if s.cov == 0 { // not told in the lines about what is read at the beginning
			s.cov, s.corpus = o.status.cov, max(s.corpus, o.status.corpus)
		}
		o.status = s
		if !o.accused {
			o.report = nil // it went on
		}
		return
	}
	switch {
	case bytes.HasPrefix(line, running):
		o.started = true
		return
	case mergeDone.Match(line):
		o.merged = true
		return
	case bytes.HasPrefix(line, finalRuns):
		o.final, _ = parseInt(bytes.TrimSpace(line[len(finalRuns):])) // 0: not told
		return
	case bytes.HasPrefix(line, []byte("stat::")):
		return
	}
	if m := written.FindSubmatch(line); m != nil {
		o.hidden = 0
		if name := path.Base(string(m[1])); ours.MatchString(name) && len(o.artifact) < maxInputs {
			o.artifact = append(o.artifact, name)
		}
		return
	}
	switch {
	case bytes.HasPrefix(line, []byte("MS: ")):
		o.hidden = 2 // in two notations, where it is short
		return
	case bytes.HasPrefix(line, []byte("Base64: ")):
		return
	}
	blames := accusation.Match(line)
	if o.hidden > 0 && !blames {
		o.hidden--
		return
	}

	said := strings.ToValidUTF8(string(line), "\uFFFD") + "\n"
	o.tail.Add(said)
	switch {
	case blames:
		if o.report == nil {
			o.report = excerpt.New(maxHead, maxTail)
		}
		o.accused, o.hidden = true, 0
	case o.report == nil && complaint.Match(line):
		o.report = excerpt.New(maxHead, maxTail)
	}
	if o.report != nil && !bytes.Equal(line, ruler) {
		o.report.Add(said)
	}
}

// log is the report, or "".
func (o *output) log() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.report == nil {
		return ""
	}
	return strings.TrimSpace(o.report.String())
}

// last is what it said last, without progress.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.tail.String())
}

// artifacts are the names of the inputs that it says it has written.
func (o *output) artifacts() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.artifact
}

// kindOf tells by the name of an input why libFuzzer kept it.
func kindOf(name string) fuzz.FoundKind {
	kind, _, _ := strings.Cut(name, "-")
	return fuzz.FoundKind(kind)
}

// stats is how far the process is. It prints a line for each power of two, with
// minutes between them later on: meanwhile the executions are reckoned with by its
// own rate, up to that power.
func (o *output) stats() fuzz.Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := fuzz.Stats{
		Executions: o.status.runs, PerSecond: float64(o.status.rate),
		Coverage: o.status.cov, Corpus: o.status.corpus, LastNew: o.lastNew, MemoryMB: o.status.rss,
	}
	if elapsed := o.at.Sub(o.began).Seconds(); s.PerSecond == 0 && elapsed > 0 {
		s.PerSecond = float64(s.Executions) / elapsed
	}
	if o.final > 0 {
		s.Executions = max(o.final, s.Executions)
		return s
	}
	if s.PerSecond > 0 {
		more := s.PerSecond * o.now().Sub(o.at).Seconds()
		s.Executions += int64(min(more, float64(nextPower(s.Executions)-s.Executions)))
	}
	return s
}

// nextPower is the smallest power of two above n.
func nextPower(n int64) int64 {
	p := int64(1)
	for p <= n {
		p <<= 1
	}
	return p
}
