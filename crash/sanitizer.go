package crash

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// sanitizerHead is the line by which a report of AddressSanitizer and its siblings begins.
	sanitizerHead = regexp.MustCompile(`(?:ERROR|WARNING): (Address|Memory|Thread|Leak|HWAddress|UndefinedBehavior|GWP-A)Sanitizer: (.+)$`)
	summaryLine   = regexp.MustCompile(`^SUMMARY: \w+Sanitizer: ([a-zA-Z-]+)`)
	accessLine    = regexp.MustCompile(`^\s*(READ|WRITE) of size (\d+)`)
	leaked        = regexp.MustCompile(`^(Direct|Indirect) leak of`)
	pidPrefix     = regexp.MustCompile(`^==\d+==`)
	causedBy      = regexp.MustCompile(`caused by a (READ|WRITE) memory access`)
	anAddress     = regexp.MustCompile(`0x[0-9a-f]+`)
	// untilAddress is the part of a head that names what happened.
	untilAddress = regexp.MustCompile(`^(attempting )?([A-Za-z][A-Za-z -]*?)( on (unknown )?address| on 0x| in thread|: |\s*\(|$)`)
)

// pageZero is where addresses end that a null pointer and an offset make.
const pageZero = 0x10000

// detailLines is how many lines behind the head may belong to it.
const detailLines = 6

func (p *parser) sanitizer() (Report, bool) {
	var head []string
	at := p.find(func(line string) bool { head = sanitizerHead.FindStringSubmatch(line); return head != nil })
	if at < 0 {
		return Report{}, false
	}
	said := head[2]
	r := Report{Detail: said}
	access, size, zero := "", "", false
	for _, line := range p.lines[at+1 : min(at+1+detailLines, len(p.lines))] {
		if frameLine.MatchString(line) {
			break
		}
		if m := accessLine.FindStringSubmatch(line); m != nil {
			access, size = m[1], m[2]
		} else if m := causedBy.FindStringSubmatch(line); m != nil {
			access = m[1]
		} else if !strings.Contains(line, "address points to the zero page") && !leaked.MatchString(line) {
			continue
		}
		zero = zero || strings.Contains(line, "zero page")
		r.Detail += "\n" + strings.TrimSpace(pidPrefix.ReplaceAllString(line, ""))
	}
	r.Type = p.sanitizerType(at, head[1], said)
	if r.Type == "SEGV" {
		r.Type = "segv"
		if a, err := strconv.ParseUint(strings.TrimPrefix(anAddress.FindString(said), "0x"), 16, 64); err == nil && a < pageZero || zero {
			r.Type = "null-dereference"
		}
	}
	r.Title = r.Type
	if access != "" {
		r.Type += "-" + strings.ToLower(access)
		r.Title += ": " + access
		if size != "" {
			r.Title += " of size " + size
		}
	}
	var end int
	r.Frames, end = p.stack(at + 1)
	if r.Type == "data-race" {
		r.Other, _ = p.stack(end)
		r.order()
	}
	return r, true
}

// sanitizerType names what a head says. Names are those of the sanitizers' own
// summaries.
func (p *parser) sanitizerType(at int, by, said string) string {
	switch {
	case by == "Leak" || strings.Contains(said, "detected memory leaks"):
		return "leak"
	case strings.HasPrefix(said, "attempting free on address which was not malloc"):
		return "bad-free"
	case strings.Contains(said, "exceeds maximum supported size"):
		return "allocation-size-too-big"
	case strings.HasPrefix(said, "out of memory") || strings.HasPrefix(said, "allocator is out of memory"):
		return "out-of-memory"
	}
	if m := untilAddress.FindStringSubmatch(said); m != nil && len(m[2]) <= maxType {
		switch m[2] {
		case "FPE":
			return "arithmetic-exception"
		case "ABRT":
			return "abort"
		case "ILL":
			return "illegal-instruction"
		case "BUS":
			return "bus-error"
		}
		return strings.ReplaceAll(m[2], " ", "-")
	}
	for _, line := range p.lines[at:] {
		if m := summaryLine.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	return "sanitizer-error"
}

// order puts the two stacks of a race into one order whichever access came first.
func (r *Report) order() {
	if strings.Join(keys(r.Other), "\n") < strings.Join(keys(r.Frames), "\n") && len(project(r.Other)) > 0 {
		r.Frames, r.Other = r.Other, r.Frames
	}
}

// runtimeError is a line of UndefinedBehaviorSanitizer.
var runtimeError = regexp.MustCompile(`^(.+?):(\d+):(\d+): runtime error: (.+)$`)

// undefinedKinds are the checks of UndefinedBehaviorSanitizer by what they say; the
// names are those of -fsanitize= where there is one of that meaning.
var undefinedKinds = []struct{ says, kind string }{
	{"unsigned integer overflow", "unsigned-integer-overflow"},
	{"signed integer overflow", "signed-integer-overflow"},
	{"negation of", "signed-integer-overflow"},
	{"division by zero", "integer-divide-by-zero"},
	{"shift", "shift"},
	{"out of bounds", "index-out-of-bounds"},
	{"null pointer", "null-pointer-use"},
	{"misaligned", "misaligned-pointer-use"},
	{"is not a valid value for type", "invalid-value"},
	{"outside the range of representable values", "float-cast-overflow"},
	{"unreachable", "unreachable"},
	{"offset", "pointer-overflow"},
	{"pointer index expression", "pointer-overflow"},
	{"does not point to an object of type", "bad-cast"},
	{"incorrect function type", "function-type-mismatch"},
	{"insufficient space", "object-size"},
	{"variable length array", "vla-bound"},
	{"implicit conversion", "implicit-conversion"},
	{"without returning a value", "missing-return"},
}

// undefined reads a report of UndefinedBehaviorSanitizer alone. It may have no stack:
// then the place is all that there is.
func (p *parser) undefined() (Report, bool) {
	var m []string
	at := p.find(func(line string) bool { m = runtimeError.FindStringSubmatch(line); return m != nil })
	if at < 0 {
		return Report{}, false
	}
	r := Report{Type: "undefined-behavior", Detail: m[4]}
	for _, k := range undefinedKinds {
		if strings.Contains(m[4], k.says) {
			r.Type = k.kind
			break
		}
	}
	r.Title = "undefined behaviour: " + m[4]
	if at+1 < len(p.lines) && frameLine.MatchString(p.lines[at+1]) {
		r.Frames, _ = p.stack(at + 1)
	}
	if len(project(r.Frames)) == 0 {
		line, _ := strconv.Atoi(m[2])
		f := Frame{Line: line}
		p.put(&f, m[1])
		r.Frames = append([]Frame{f}, r.Frames...)
	}
	return r, true
}
