package crash

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	pyFrame    = regexp.MustCompile(`^\s*File "(.+)", line (\d+),? in (.+)$`)
	pyRaised   = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*)(?:: (.*))?$`)
	pyTimedOut = regexp.MustCompile(`^\s*=== Timeout: `)
)

const (
	pyUncaught  = "=== Uncaught Python exception: ==="
	pyTraceback = "Traceback (most recent call last):"
)

// python reads a traceback, as Atheris and Python itself print it, and the stack
// that Atheris prints of a time that is up.
func (p *parser) python() (Report, bool) {
	if at := p.find(pyTimedOut.MatchString); at >= 0 {
		r := Report{Type: "timeout", Title: "timeout", Detail: strings.Trim(p.lines[at], "= ")}
		r.Frames = p.pyFrames(at + 1)
		return r, true
	}
	at := p.containing(pyUncaught)
	if at < 0 {
		// Of several tracebacks without Atheris the last one is what nobody caught.
		for i, line := range p.lines {
			if line == pyTraceback {
				at = i
			}
		}
		if at < 0 {
			return Report{}, false
		}
	}
	r := Report{Type: "uncaught-exception", Title: "uncaught exception"}
	from := at
	for i := at; i < len(p.lines); i++ {
		if p.lines[i] == pyTraceback {
			from = i // of a chain of exceptions the last is the one that was not caught
		}
		if i > at && strings.HasPrefix(p.lines[i], "==") {
			break
		}
	}
	r.Frames = p.pyFrames(from)
	slices.Reverse(r.Frames)
	r.Frames = mark(r.Frames, pyRuntime)
	// The exception is named behind the frames, at the beginning of a line; with
	// Atheris before them, too.
	for i := from + 1; i < len(p.lines); i++ {
		if line := p.lines[i]; line != "" && line[0] != ' ' {
			if m := pyRaised.FindStringSubmatch(line); m != nil {
				r.raised(m)
			}
			break
		}
	}
	if r.Type == "uncaught-exception" && at+1 < len(p.lines) {
		if m := pyRaised.FindStringSubmatch(p.lines[at+1]); m != nil {
			r.raised(m)
		}
	}
	return r, true
}

// raised fills in the exception of a line "Name: message". Python writes the module
// before the name, Atheris does not.
func (r *Report) raised(m []string) {
	name := m[1][strings.LastIndexByte(m[1], '.')+1:]
	r.Type, r.Title, r.Detail = "uncaught-"+name, m[1], m[0]
	if m[2] != "" {
		r.Title += ": " + m[2]
	}
	if name == "MemoryError" {
		r.Type = "out-of-memory"
	}
}

// pyFrames reads the frames behind line from, in their order.
func (p *parser) pyFrames(from int) (frames []Frame) {
	for i := from; i < len(p.lines); i++ {
		line := p.lines[i]
		if m := pyFrame.FindStringSubmatch(line); m != nil {
			if len(frames) == maxRead {
				break
			}
			n, _ := strconv.Atoi(m[2])
			f := Frame{Func: pyModule(m[1]) + "." + m[3], Line: n}
			p.put(&f, m[1])
			frames = append(frames, f)
		} else if len(frames) > 0 && line != "" && line[0] != ' ' {
			break
		}
	}
	return mark(frames, pyRuntime)
}

// pyModule names a file's module: Python's names of functions leave it out.
func pyModule(file string) string {
	name := strings.TrimSuffix(path.Base(file), ".py")
	if name == "__init__" {
		name = path.Base(path.Dir(file))
	}
	return strings.Trim(name, "<>")
}

// pyRuntime is mark's test for Python: the standard library, and Atheris.
func pyRuntime(f Frame) bool {
	return runtimeFiles.MatchString(f.File) || strings.HasPrefix(f.File, "<frozen")
}
