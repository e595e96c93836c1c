package gofuzz

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
)

const (
	// maxLine bounds a line of output; longer ones are cut. Go's own are shorter.
	maxLine = 8 << 10

	// maxReport bounds what is kept of a failure: a stack of 100 frames takes 10 KB.
	maxReport = 256 << 10
)

// progress reads what a test binary says. It believes nothing but numbers: a harness
// may print whatever it likes. It is safe for concurrent use.
type progress struct {
	mu   sync.Mutex
	line []byte // that is not complete

	began   time.Time
	spoke   time.Time // the line before this one
	stats   fuzz.Stats
	warmup  int64   // inputs that are run first
	bits    []int64 // that each of them added to the coverage
	fuzzing bool    // they have been run
	known   bool    // how many they are
	seed    string  // the seed that failed, by its name
	parent  string  // what the crash was made of, by its file's name

	report  []byte // from the first failure on
	failing bool
	all     *excerpt.Text // whatever was said
}

func newProgress() *progress {
	now := time.Now()
	return &progress{began: now, spoke: now, all: excerpt.New(0, lastLines)}
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			p.add(b)
			return n, nil
		}
		p.add(b[:i])
		p.take()
		b = b[i+1:]
	}
}

func (p *progress) add(b []byte) { p.line = append(p.line, b[:min(len(b), maxLine-len(p.line))]...) }

// flush takes the last line, if nothing ended it.
func (p *progress) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.line) > 0 {
		p.take()
	}
}

// The lines of Go's fuzzer, and those that GODEBUG=fuzzdebug=1 adds.
var (
	sayBaseline = regexp.MustCompile(`^fuzz: elapsed: \S+, (?:gathering baseline coverage|testing seed corpus): \d+/(\d+) completed(, now fuzzing)?`)
	sayProgress = regexp.MustCompile(`^fuzz: elapsed: \S+, execs: (\d+) \((\d+)/sec\)(?:, new interesting: (\d+) \(total: (\d+)\))?$`)
	saySeed     = regexp.MustCompile(`^failure while testing seed corpus entry: [^/ ]+/(\S+)$`)
	sayDebug    = regexp.MustCompile(`^\d{4}-\d\d-\d\d [0-9:.]+ DEBUG (.*)$`)

	debugInitial = regexp.MustCompile(`^processed an initial input, .*new bits: (\d+), `)
	debugBase    = regexp.MustCompile(`^finished processing input corpus, entries: \d+, initial coverage bits: (\d+)$`)
	debugNew     = regexp.MustCompile(`^new interesting input, .*total bits: (\d+), `)
	debugCrash   = regexp.MustCompile(`^found crasher, id: .*, parent: (.*), gen: \d+, `)
)

// take reads the line, and begins the next one.
func (p *progress) take() {
	line := strings.TrimSuffix(string(p.line), "\r")
	p.line = p.line[:0]
	if m := sayDebug.FindStringSubmatch(line); m != nil {
		p.debug(m[1])
		return
	}
	p.all.Add(line + "\n")
	if p.failing || strings.HasPrefix(line, "--- FAIL: ") || strings.HasPrefix(line, "panic: ") ||
		strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "WARNING: DATA RACE") {
		p.failing = true
		if len(p.report)+len(line) < maxReport {
			p.report = append(append(p.report, line...), '\n')
		}
	}
	if m := sayBaseline.FindStringSubmatch(line); m != nil {
		p.warmup, p.known = number(m[1]), true
		p.fuzzing = p.fuzzing || m[2] != "" || p.warmup == 0
		p.stats.Corpus = max(p.stats.Corpus, p.warmup)
	} else if m := sayProgress.FindStringSubmatch(line); m != nil {
		p.fuzzing, p.known = true, true
		p.stats.Executions = number(m[1])
		// The last line follows another one at once, and its rate says nothing.
		if now := time.Now(); now.Sub(p.spoke) > time.Second {
			p.spoke, p.stats.PerSecond = now, float64(number(m[2]))
		}
		if m[4] != "" {
			p.stats.Corpus = number(m[4])
		}
	} else if m := saySeed.FindStringSubmatch(line); m != nil {
		p.seed = m[1]
	}
}

func (p *progress) debug(line string) {
	if m := debugInitial.FindStringSubmatch(line); m != nil {
		p.bits = append(p.bits, number(m[1]))
	} else if m := debugBase.FindStringSubmatch(line); m != nil {
		p.stats.Coverage = number(m[1])
	} else if m := debugNew.FindStringSubmatch(line); m != nil {
		p.stats.Coverage = number(m[1])
		p.stats.LastNew = time.Now()
	} else if m := debugCrash.FindStringSubmatch(line); m != nil {
		p.parent = m[1][strings.LastIndexByte(m[1], '/')+1:]
	}
}

// number reads digits; what does not fit is no number that Go says.
func number(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (p *progress) snapshot() fuzz.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	if stats.PerSecond == 0 { // nothing was said for long enough yet
		stats.PerSecond = float64(stats.Executions) / time.Since(p.began).Seconds()
	}
	return stats
}

// started reports whether the fuzzer has.
func (p *progress) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// output is the last that was said.
func (p *progress) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}
