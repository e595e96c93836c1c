package crash

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	panickedAt  = regexp.MustCompile(`^thread '.*' (?:\(\d+\) )?panicked at (.+?):(\d+):(\d+):$`)
	panickedOld = regexp.MustCompile(`^thread '.*' panicked at '(.*)', (.+?):(\d+):(\d+)$`) // before Rust 1.73
	btFunc      = regexp.MustCompile(`^\s*(\d+):\s+(?:0x[0-9a-f]+ - )?(.+)$`)
	btPlace     = regexp.MustCompile(`^\s+at (.+?):(\d+)(?::(\d+))?$`)
)

// rustPanics are the panics that Rust itself makes, by what they say.
var rustPanics = []struct{ says, kind string }{
	{"index out of bounds", "panic-index-out-of-bounds"},
	{"out of range for slice", "panic-slice-out-of-range"},
	{"byte index ", "panic-str-index"},
	{"Option::unwrap()", "panic-unwrap-none"},
	{"Result::unwrap()", "panic-unwrap-err"},
	{"with overflow", "panic-arithmetic-overflow"},
	{"attempt to divide by zero", "panic-divide-by-zero"},
	{"divisor of zero", "panic-divide-by-zero"},
	{"assertion", "panic-assertion"},
	{"already borrowed", "panic-borrow"},
	{"already mutably borrowed", "panic-borrow"},
	{"capacity overflow", "panic-capacity-overflow"},
	{"unreachable code", "panic-unreachable"},
	{"not implemented", "panic-unimplemented"},
	{"not yet implemented", "panic-unimplemented"},
}

// rust reads the last panic of a log: the ones before were caught.
func (p *parser) rust() (Report, bool) {
	for i := len(p.lines) - 1; i >= 0; i-- {
		line := p.lines[i]
		if !strings.Contains(line, " panicked at ") {
			continue
		}
		if m := panickedAt.FindStringSubmatch(line); m != nil {
			said := ""
			if i+1 < len(p.lines) {
				said = p.lines[i+1]
			}
			return p.panicked(i, said, m[1], m[2]), true
		}
		if m := panickedOld.FindStringSubmatch(line); m != nil {
			return p.panicked(i, m[1], m[2], m[3]), true
		}
	}
	return Report{}, false
}

func (p *parser) panicked(at int, said, file, line string) Report {
	r := Report{Type: "panic", Title: "panic: " + said, Detail: said}
	for _, k := range rustPanics {
		if strings.Contains(said, k.says) {
			r.Type = k.kind
			break
		}
	}
	// The stack that libFuzzer prints of the abort is symbolised with whole paths;
	// the panic's own is there where RUST_BACKTRACE asks for it.
	if head := p.containing("ERROR: libFuzzer:"); head > at {
		r.Frames, _ = p.stack(head + 1)
	}
	if len(project(r.Frames)) == 0 {
		r.Frames = p.backtrace(at + 1)
	}
	if len(project(r.Frames)) == 0 {
		n, _ := strconv.Atoi(line)
		f := Frame{Line: n}
		p.put(&f, file)
		r.Frames = append([]Frame{f}, r.Frames...)
	}
	return r
}

// backtrace reads what Rust prints behind "stack backtrace:".
func (p *parser) backtrace(from int) (frames []Frame) {
	i := from
	for ; i < len(p.lines) && p.lines[i] != "stack backtrace:"; i++ {
		if strings.Contains(p.lines[i], " panicked at ") || strings.HasPrefix(p.lines[i], "==") {
			return nil
		}
	}
	for i++; i < len(p.lines); i++ {
		if m := btPlace.FindStringSubmatch(p.lines[i]); m != nil && len(frames) > 0 {
			f := &frames[len(frames)-1]
			p.put(f, m[1])
			f.Line, _ = strconv.Atoi(m[2])
		} else if m := btFunc.FindStringSubmatch(p.lines[i]); m != nil {
			if len(frames) == maxRead {
				break
			}
			frames = append(frames, Frame{Func: named(m[2])})
		} else {
			break
		}
	}
	return mark(frames, nativeRuntime)
}
