package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// screen is where a command prints. Data goes to standard output, talk to
// standard error; on a terminal the talk may end in one live line that is
// redrawn in place. It is safe for concurrent use: logs and bars share it.
type screen struct {
	out, err       io.Writer
	outTTY, errTTY bool
	colours        bool // unless NO_COLOR is set or the terminal is dumb

	mu   sync.Mutex
	live string // what the live line shows; "" where there is none
}

func newScreen(out, err io.Writer, getenv func(string) string) *screen {
	dumb := getenv("TERM") == "dumb"
	return &screen{
		out: out, err: err,
		outTTY: isTerminal(out), errTTY: isTerminal(err) && !dumb,
		colours: getenv("NO_COLOR") == "" && !dumb,
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// defaultWidth is the width of a terminal that does not tell its own.
const defaultWidth = 80

// widthOf returns how many columns w has, or 0 where it is no terminal and lines
// may be as long as they like.
func widthOf(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(w.(*os.File).Fd()))
	if err != nil || width <= 0 {
		return defaultWidth
	}
	return width
}

// say prints a line of talk.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.err, fmt.Sprintf(format, args...)+"\n")
}

// print prints a line of data.
func (s *screen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.out, fmt.Sprintf(format, args...)+"\n")
}

// redraw shows line in place of the live line before; "" takes it away. Where
// standard error is no terminal, it does nothing.
func (s *screen) redraw(line string) {
	if !s.errTTY {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.live {
		return
	}
	s.live = clip(line, widthOf(s.err)-1)
	// A terminal that cannot be written to is gone, and nobody is left to tell.
	_, _ = io.WriteString(s.err, "\r\x1b[K"+s.live)
}

// write prints text with the live line out of its way. Errors of writing are
// ignored for talk and data alike: the reader has gone (SIGPIPE ends the
// program where it is standard output).
func (s *screen) write(w io.Writer, text string) {
	if s.live != "" {
		_, _ = io.WriteString(s.err, "\r\x1b[K")
	}
	_, _ = io.WriteString(w, text)
	if s.live != "" {
		_, _ = io.WriteString(s.err, s.live)
	}
}

// logs is the writer for log lines: talk that is made elsewhere.
type logs struct{ s *screen }

func (l logs) Write(b []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.write(l.s.err, string(b))
	return len(b), nil
}

// The colours that are used, as ANSI sequences.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	alarm  = "1;37;41" // white on red
)

// paintOut colours text for standard output, paintErr for standard error.
func (s *screen) paintOut(colour, text string) string {
	return paint(s.outTTY && s.colours, colour, text)
}
func (s *screen) paintErr(colour, text string) string {
	return paint(s.errTTY && s.colours, colour, text)
}

func paint(on bool, colour, text string) string {
	if !on || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// clip shortens a line to width columns; colour sequences take none. Characters
// count as one column each, which is wrong for a few scripts and then only cuts
// a line early or lets it wrap.
func clip(line string, width int) string {
	if width <= 0 {
		return line
	}
	var b strings.Builder
	columns, escape := 0, false
	for _, r := range line {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		case columns == width:
			continue // but let colours be reset
		case columns == width-1:
			columns++
			if len(line) > b.Len()+len(string(r)) && visible(line) > width {
				r = '…'
			}
		default:
			columns++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// visible counts the columns of a line.
func visible(line string) int {
	n, escape := 0, false
	for _, r := range line {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		default:
			n++
		}
	}
	return n
}
