package aflpp

import (
	"bytes"
	"regexp"
	"sync"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
)

const (
	maxLine  = 4 << 10 // of what an instance prints; longer ones are cut
	lastSaid = 4 << 10 // how much of it an error carries
)

// output reads what an instance prints. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	line []byte
	said *excerpt.Text
	seed string                    // that is being tried
	bad  map[string]fuzz.FoundKind // seeds that crash or hang, by their names
}

func newOutput() *output {
	return &output{said: excerpt.New(0, lastSaid), bad: map[string]fuzz.FoundKind{}}
}

// What AFL says of the inputs that it was given, one after the other; the names are
// those of session.fill.
var (
	trySeed = regexp.MustCompile(`Attempting dry run with 'id:[^']*,orig:(\d{7})'`)
	badSeed = regexp.MustCompile(`Test case (?:'[^']*' )?results in a (crash|timeout)`)
)

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		rest := p
		if i >= 0 {
			rest = p[:i]
		}
		o.line = append(o.line, rest[:min(len(rest), maxLine-len(o.line))]...)
		if i < 0 {
			return n, nil
		}
		o.take(plainText(string(o.line)))
		o.line = o.line[:0]
		p = p[i+1:]
	}
}

func (o *output) take(line string) {
	o.said.Add(line + "\n")
	if m := trySeed.FindStringSubmatch(line); m != nil {
		o.seed = m[1]
	} else if m := badSeed.FindStringSubmatch(line); m != nil && o.seed != "" && len(o.bad) < maxCrashes {
		o.bad[o.seed] = fuzz.FoundCrash
		if m[1] == "timeout" {
			o.bad[o.seed] = fuzz.FoundTimeout
		}
	}
}

// last is the end of what was printed.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said.String() + plainText(string(o.line))
}

// seed is an input of the corpus that crashes or hangs.
type seed struct {
	name string // in the directory that AFL was given
	kind fuzz.FoundKind
}

// crashed returns the seeds that were reported since the last call.
func (o *output) crashed() []seed {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []seed
	for name, kind := range o.bad {
		all = append(all, seed{name, kind})
	}
	clear(o.bad)
	return all
}
