package crash

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	frameLine  = regexp.MustCompile(`^\s*#(\d+)\s+(0x[0-9a-f]+)?\s*(in )?(.*)$`)
	frameBuild = regexp.MustCompile(`\s*\(BuildId: [0-9a-f]*\)$`)
	frameIn    = regexp.MustCompile(`\s*\(([^()]+)\+(0x[0-9a-f]+)\)$`)
	frameAbs   = regexp.MustCompile(`^(.*?) (/.*?)(:(\d+))?(:(\d+))?$`)
	frameRel   = regexp.MustCompile(`^(.*) ([^\s()<>:]+)(:(\d+))(:(\d+))?$`)
	frameBare  = regexp.MustCompile(`^(.*) (<null>|[^\s():<>,*&]*[/.][^\s():<>,*&]*)$`)
)

// maxRead is how many frames of one stack are read; sanitizers print 256 at most.
const maxRead = 512

// stack reads the first stack of a sanitizer's form at or behind line from, and
// returns the index of the line behind it.
func (p *parser) stack(from int) (frames []Frame, end int) {
	i := max(0, from)
	for ; i < len(p.lines); i++ {
		m := frameLine.FindStringSubmatch(p.lines[i])
		if m == nil {
			if frames != nil {
				break
			}
			continue
		}
		if m[1] == "0" && frames != nil {
			break
		}
		if len(frames) < maxRead {
			frames = append(frames, p.native(m[4]))
		}
	}
	return mark(frames, nativeRuntime), i
}

// native reads what stands behind a frame's number and address: a function, and a
// place or a module.
func (p *parser) native(text string) (f Frame) {
	text = frameBuild.ReplaceAllString(text, "")
	if m := frameIn.FindStringSubmatchIndex(text); m != nil {
		f.Module = path.Base(text[m[2]:m[3]]) + "+" + text[m[4]:m[5]]
		text = text[:m[0]]
	}
	text = " " + strings.TrimSpace(text) // a frame may have a place and no function
	for _, form := range []*regexp.Regexp{frameAbs, frameRel} {
		if m := form.FindStringSubmatch(text); m != nil {
			f.Func = named(m[1])
			p.put(&f, m[2])
			f.Line, _ = strconv.Atoi(m[4]) // digits; too many of them are no line
			f.Module = ""
			return f
		}
	}
	if m := frameBare.FindStringSubmatch(text); m != nil {
		text = m[1]
		p.put(&f, m[2])
	}
	if f.Func = named(text); f.Func == "<null>" || f.Func == "null" || f.Func == "??" {
		f.Func = ""
	}
	if f.Func != "" && !runtimeModules(f.Module) {
		f.Module = "" // the name says it better, and does not change with the next build
	}
	return f
}
