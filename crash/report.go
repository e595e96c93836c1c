package crash

import (
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/finding"
)

// Bounds on what a log may make of itself. A report of a sanitizer is 2 to 20 KiB;
// what is cut is the middle of a log, for reports stand at its end, or at its
// beginning where much follows.
const (
	maxLog    = 1 << 20 // bytes of a log that are read
	maxLine   = 8 << 10 // bytes of a line; C++ templates make lines of kilobytes
	maxFrames = 64      // of one stack; a recursion prints hundreds that are all the same
	maxName   = 200     // bytes of a function's name
	maxPath   = 400     // bytes of a file's name
	maxText   = 400     // bytes of a title
	maxDetail = 4 << 10 // bytes of a detail
)

// Report is what a log says of a crash.
type Report struct {
	// Type is what happened, of letters, digits and "-_.": "heap-buffer-overflow-read",
	// "uncaught-KeyError", "timeout". It is "unknown" where the log does not say.
	Type string `json:"type"`

	Title    string           `json:"title"` // one line
	Severity finding.Severity `json:"severity"`

	// Frames is the stack where it happened, the innermost first; nil where there is
	// none. Where two accesses race it is one of them, always the same of the two.
	Frames []Frame `json:"frames,omitempty"`

	// Other is the stack of the other access of a race.
	Other []Frame `json:"other,omitempty"`

	Detail string `json:"detail,omitempty"` // what the report says beyond that, a few lines
}

// Frame is one call of a stack.
type Frame struct {
	// Func is the name of the function, without what changes when nobody changes it:
	// parameters, type arguments, hashes, numbers of closures. "" where it is not known.
	Func string `json:"func,omitempty"`

	// File is relative to the workspace, with slashes, where it lies in it; else as
	// the log has it, the place of a toolchain cut off.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`

	// Module is the program or library and the offset in it, where the log says no more.
	Module string `json:"module,omitempty"`

	// Runtime is set where the frame is of a runtime, a sanitizer, the standard
	// library or the fuzzer, and so says nothing about the bug.
	Runtime bool `json:"runtime,omitempty"`

	own bool // the file was found in one of the roots
}

// Parse reads what a fuzzer said of a crash. Engine is the fuzzer's name, as
// fuzz.Engine has it; roots are the directories where the workspace was when that was
// said, as the process saw them. It never fails: of a log that says nothing the
// report is "unknown".
func Parse(engine, log string, roots ...string) Report {
	p := &parser{lines: linesOf(log)}
	for _, r := range roots {
		if r = strings.TrimRight(r, "/"); r != "" {
			p.roots = append(p.roots, r+"/")
		}
	}
	// A report by a sanitizer says more than what follows from it, a panic more
	// than the signal that ends it, and a signal is what is left. Of the languages the
	// engine's own goes first: what looks like a panic of another is the program's talk.
	readers := []func() (Report, bool){p.sanitizer, p.rust, p.goTest, p.python, p.undefined, p.libfuzzer, p.signal}
	if own, ok := map[string]func() (Report, bool){"go": p.goTest, "atheris": p.python}[engine]; ok {
		readers = slices.Insert(readers, 1, own)
	}
	for _, read := range readers {
		if r, ok := read(); ok {
			return finish(r)
		}
	}
	return finish(Report{Type: "unknown"})
}

// Where returns the frame that a reader is shown: the innermost of the project's
// that has a place in the workspace, or else the innermost of the project's. The
// zero Frame says that there is none.
func (r Report) Where() Frame {
	var first Frame
	for _, f := range r.Frames {
		switch {
		case f.Runtime:
		case inWorkspace(f.File) && f.Line > 0:
			return f
		case first == Frame{}:
			first = f
		}
	}
	return first
}

// project returns those of frames that are not of the runtime.
func project(frames []Frame) (fs []Frame) {
	for _, f := range frames {
		if !f.Runtime {
			fs = append(fs, f)
		}
	}
	return fs
}

// finish fills in what follows from the rest, and bounds and cleans it.
func finish(r Report) Report {
	r.Type = slug(r.Type)
	if r.Title == "" {
		r.Title = r.Type
	}
	if w := r.Where(); w.Func != "" {
		r.Title += " in " + w.Func
	}
	r.Title, r.Detail = clean(oneLine(r.Title), maxText), clean(r.Detail, maxDetail)
	r.Severity = severityOf(r.Type)
	for _, frames := range []*[]Frame{&r.Frames, &r.Other} {
		if len(*frames) > maxFrames {
			*frames = (*frames)[:maxFrames]
		}
		for i, f := range *frames {
			f.Func, f.File, f.Module = clean(f.Func, maxName), clean(f.File, maxPath), clean(f.Module, maxName)
			(*frames)[i] = f
		}
	}
	return r
}

// parser has what the readers of the different kinds of report share.
type parser struct {
	lines []string
	roots []string // each with a slash at its end
}

// find returns the index of the first line for which f is true, or -1.
func (p *parser) find(f func(line string) bool) int {
	for i, line := range p.lines {
		if f(line) {
			return i
		}
	}
	return -1
}

// containing is find for a part of a line.
func (p *parser) containing(part string) int {
	return p.find(func(line string) bool { return strings.Contains(line, part) })
}
