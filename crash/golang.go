package crash

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// A worker of a fuzzing session tells its panic as what testing.go says.
	goPanic   = regexp.MustCompile(`^\s*(?:testing\.go:\d+: )?(panic|fatal error): (.+?)(?: \[recovered(?:, repanicked)?\])?$`)
	goRoutine = regexp.MustCompile(`^\s*goroutine \d+ .*\[.*\]:$`)
	goPlace   = regexp.MustCompile(`^\s+(\S.*?\.(?:go|s|c|cc|cgo1\.go)):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?$`)
	goCall    = regexp.MustCompile(`^\s*([^\s()]+(?:\(\*?[^()]+\)[^\s()]*)*)\(.*\)$`)
	goFailed  = regexp.MustCompile(`^\s*--- FAIL: (Fuzz[^\s/]*)`)
	goSaid    = regexp.MustCompile(`^\s+([A-Za-z0-9_.-]+\.go):(\d+): (.*)$`)
	goClosure = regexp.MustCompile(`\.(func|gowrap|deferwrap)\d+(\.\d+)*|-(fm|range\d+)$`)
	goTyped   = regexp.MustCompile(`\[[^\]]*\]`)
	goExited  = regexp.MustCompile(`^exit status \d+$`)
	goHung    = regexp.MustCompile(`fuzzing process hung or terminated unexpectedly[^:]*: (.+)$`)
)

// goPanics are the panics and fatal errors that Go itself makes, by what they say.
var goPanics = []struct{ says, kind string }{
	{"index out of range", "panic-index-out-of-bounds"},
	{"slice bounds out of range", "panic-slice-out-of-range"},
	{"nil pointer dereference", "panic-nil-dereference"},
	{"assignment to entry in nil map", "panic-nil-map"},
	{"integer divide by zero", "panic-divide-by-zero"},
	{"interface conversion", "panic-type-assertion"},
	{"makeslice", "panic-slice-length"},
	{"close of", "panic-channel"},
	{"send on closed channel", "panic-channel"},
	{"stack overflow", "stack-overflow"},
	{"out of memory", "out-of-memory"},
	{"concurrent map", "concurrent-map-access"},
	{"all goroutines are asleep", "deadlock"},
	{"test timed out", "timeout"},
	{"deadlocked!", "timeout"},
	{"unexpected signal", "segv"},
}

// goTest reads what a test binary of Go says: a race, a panic, a failed test, or no
// more than that the process has gone.
func (p *parser) goTest() (Report, bool) {
	if at := p.find(func(line string) bool { return strings.TrimSpace(line) == "WARNING: DATA RACE" }); at >= 0 {
		return p.goRace(at), true
	}
	var m []string
	at := p.find(func(line string) bool { m = goPanic.FindStringSubmatch(line); return m != nil })
	if at >= 0 && p.findFrom(at, goRoutine) >= 0 {
		r := Report{Type: "panic", Title: m[1] + ": " + m[2], Detail: m[2]}
		if m[1] != "panic" {
			r.Type = "fatal-error"
		}
		for _, k := range goPanics {
			if strings.Contains(m[2], k.says) {
				r.Type = k.kind
				break
			}
		}
		r.Frames = p.goStack(at)
		return r, true
	}
	at = p.find(func(line string) bool { m = goFailed.FindStringSubmatch(line); return m != nil })
	if at < 0 {
		// A process that has ended itself leaves this alone.
		at = p.find(goExited.MatchString)
		if end := p.find(func(line string) bool { return strings.HasPrefix(line, "FAIL\t") }); at < 0 || end < at {
			return Report{}, false
		}
		return Report{Type: "exit", Title: p.lines[at], Detail: p.lines[at]}, true
	}
	harness := m[1]
	if i := p.findFrom(at, goHung); i >= 0 {
		said := goHung.FindStringSubmatch(p.lines[i])[1]
		return Report{Type: "terminated", Title: "process hung or terminated unexpectedly: " + said, Detail: strings.TrimSpace(p.lines[i])}, true
	}
	r := Report{Type: "test-failure", Title: "test failed", Detail: strings.TrimSpace(p.lines[at])}
	if i := p.findFrom(at, goSaid); i >= 0 {
		m := goSaid.FindStringSubmatch(p.lines[i])
		n, _ := strconv.Atoi(m[2])
		r.Title, r.Detail = "test failed: "+m[3], m[3]
		// testing prints a file's name without its folder.
		r.Frames = []Frame{{Func: harness, File: m[1], Line: n}}
	}
	return r, true
}

func (p *parser) findFrom(from int, form *regexp.Regexp) int {
	for i := from; i < len(p.lines); i++ {
		if form.MatchString(p.lines[i]) {
			return i
		}
	}
	return -1
}

// goStack reads the goroutines behind line from and returns the one that crashed:
// the first, but where the time was up the one that ran the harness.
func (p *parser) goStack(from int) (best []Frame) {
	for i := from; i < len(p.lines); i++ {
		if !goRoutine.MatchString(p.lines[i]) {
			continue
		}
		var frames []Frame
		frames, i = p.goFrames(i + 1)
		i-- // the line behind may be the next goroutine
		for _, f := range frames {
			if entries[f.Func] && len(project(frames)) > 0 {
				return frames
			}
		}
		if len(project(best)) == 0 && len(project(frames)) > 0 {
			best = frames
		}
		if !strings.HasPrefix(p.lines[from], "panic: test timed out") && len(best) > 0 {
			return best
		}
	}
	return best
}

// goFrames reads pairs of lines, a call and its place, from line i on.
func (p *parser) goFrames(i int) (frames []Frame, end int) {
	for ; i < len(p.lines); i++ {
		line := p.lines[i]
		if m := goPlace.FindStringSubmatch(line); m != nil && len(frames) > 0 {
			f := &frames[len(frames)-1]
			p.put(f, m[1])
			f.Line, _ = strconv.Atoi(m[2])
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(line), "...") {
			continue // frames that were left out
		}
		m := goCall.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(strings.TrimSpace(line), "created by ") {
			break
		}
		if len(frames) == maxRead {
			break
		}
		frames = append(frames, Frame{Func: goNamed(m[1])})
	}
	return mark(frames, goRuntime), i
}

// goRace reads the two accesses of a data race.
func (p *parser) goRace(at int) Report {
	r := Report{Type: "data-race", Title: "data race"}
	var stacks [][]Frame
	for i := at + 1; i < len(p.lines) && len(stacks) < 2; i++ {
		if line := p.lines[i]; strings.Contains(line, " by goroutine ") || strings.Contains(line, " by main goroutine") {
			access, _, _ := strings.Cut(strings.TrimSpace(line), " at 0x")
			r.Detail = strings.TrimSpace(r.Detail + "\n" + access)
			frames, _ := p.goFrames(i + 1)
			stacks = append(stacks, frames)
		}
	}
	if len(stacks) > 0 {
		r.Frames = stacks[0]
	}
	if len(stacks) > 1 {
		r.Other = stacks[1]
		r.order()
	}
	return r
}

// goNamed makes a function's name one that survives another instance of a generic
// one and another order of closures.
func goNamed(raw string) string {
	s := goTyped.ReplaceAllString(raw, "")
	s = goClosure.ReplaceAllStringFunc(s, func(m string) string {
		if m[0] == '-' {
			return ""
		}
		return strings.TrimRight(m, ".0123456789")
	})
	return s
}

// goStandard are the first elements of the import paths of Go's standard library. A
// module's own path has a dot in its first element, but need not.
var goStandard = set("archive", "bufio", "builtin", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed", "encoding", "errors",
	"expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect",
	"regexp", "runtime", "slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode", "unique", "unsafe", "vendor", "weak")

// goRuntime is mark's test for Go.
func goRuntime(f Frame) bool {
	first, _, _ := strings.Cut(f.Func, "/")
	if first == f.Func { // no slash: "fmt.Println", "example.com.f"
		first, _, _ = strings.Cut(f.Func, ".")
	}
	return goStandard[first] || runtimeNames[f.Func] || f.File == "_testmain.go" || strings.HasSuffix(f.File, "/_testmain.go")
}
