package metadata

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
	"go.yaml.in/yaml/v3"
)

const (
	// maxBytes bounds a file. Honest ones have a few kilobytes; what is larger
	// is the wrong file, and is refused before it costs memory.
	maxBytes = 256 << 10

	// maxValues bounds what a document expands to once aliases are followed, so
	// that a file of a few lines cannot fill the memory.
	maxValues = 20_000

	// maxDepth bounds nesting, and ends aliases that contain themselves.
	maxDepth = 64

	// maxProblems bounds a report: whoever repairs twenty reads again anyway.
	maxProblems = 20
)

// Warning is something in a file that is accepted but probably not meant.
type Warning struct {
	File         string
	Line, Column int // from 1; 0 where the warning is about the whole file
	Text         string
}

func (w Warning) String() string { return position(w.File, w.Line, w.Column) + ": " + w.Text }

// position renders file:line:column, leaving out what is not known.
func position(file string, line, column int) string {
	switch {
	case line == 0:
		return file
	case column == 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// document walks the nodes of one file and collects what is wrong with them,
// so that one reading reports everything.
type document struct {
	file     string
	op       string // what its errors say was done; "": read metadata
	begin    string // what to write into a file that is empty; "": as a metadata.yaml begins
	problems []error
	warnings []Warning
	values   int  // entries and values read so far, see count
	tooMany  bool // more than maxValues, which has been reported
}

// fail records a problem at n. fix is a clause in the imperative, or "".
func (d *document) fail(n *yaml.Node, fix, format string, args ...any) {
	d.failAt(n.Line, n.Column, fix, fmt.Errorf(format, args...))
}

func (d *document) failAt(line, column int, fix string, err error) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, &cordon.Error{
			Kind: cordon.InvalidArgument,
			Op:   cmp.Or(d.op, "read metadata"),
			Name: position(d.file, line, column),
			Err:  err,
			Fix:  fix,
		})
	}
}

func (d *document) warn(n *yaml.Node, format string, args ...any) {
	if len(d.warnings) < maxProblems {
		d.warnings = append(d.warnings, Warning{d.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
	}
}

func (d *document) err() error { return errors.Join(d.problems...) }

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// root reads data as one YAML document that is a mapping, and returns it.
func (d *document) root(data []byte) *yaml.Node {
	if len(data) > maxBytes {
		d.failAt(0, 0, "check that this is the right file",
			fmt.Errorf("the file has %d bytes; at most %d are read", len(data), maxBytes))
		return nil
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		d.failAt(1, 1, cmp.Or(d.begin, "write at least a name and a workspace_isolation"), errors.New("the file is empty"))
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.fail(&second, "keep one document and delete the others", "a second YAML document begins here")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	n := doc.Content[0]
	if n.Kind != yaml.MappingNode {
		d.fail(n, cmp.Or(d.begin, "write fields such as \"name: my_workflow\""), "the file is %s, not a mapping of fields", kindOf(n))
		return nil
	}
	return n
}

// syntax records an error of the YAML parser, which says the line in its text.
func (d *document) syntax(err error) {
	text := err.Error()
	line := 0
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		// A line that does not parse is not there, which leaves it 0: unknown.
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	d.failAt(line, 0, "repair the YAML", fmt.Errorf("not valid YAML: %s", text))
}

// follow returns what n stands for where it is an alias. An alias names a node
// that is none itself, so one step is enough.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// fields returns the entries of a mapping in the file's order. Duplicate keys,
// keys that are no text and merge keys are problems.
func (d *document) fields(n *yaml.Node) []field {
	// An alias may lead to the same mapping from many places.
	if !d.count(n, len(n.Content)/2) {
		return nil
	}
	var out []field
	first := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			d.fail(n.Content[i], "use plain text as the key", "a key is %s", kindOf(k))
		case k.ShortTag() == "!!merge":
			d.fail(k, "write the fields out", "merge keys (<<) are not supported")
		case first[k.Value] != 0:
			d.fail(n.Content[i], "delete one of the two", "%q is given twice, first in line %d", k.Value, first[k.Value])
		default:
			first[k.Value] = k.Line
			out = append(out, field{k.Value, n.Content[i], v})
		}
	}
	return out
}

// count notes that n values more are read at a node, and reports whether that is within maxValues.
func (d *document) count(at *yaml.Node, n int) bool {
	d.values += n
	if d.values > maxValues && !d.tooMany {
		d.tooMany = true
		d.fail(at, "shorten it, or use fewer aliases", "the file expands to more than %d values", maxValues)
	}
	return !d.tooMany
}

// value converts n to what encoding/json would make of the same data: nil,
// bool, int64, float64, string, []any, map[string]any.
func (d *document) value(n *yaml.Node, depth int) any {
	at := n
	n = follow(n)
	if !d.count(at, 1) {
		return nil
	}
	if depth > maxDepth {
		d.fail(at, "flatten it", "nested more than %d levels deep", maxDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		for _, f := range d.fields(n) {
			m[f.name] = d.value(f.val, depth+1)
		}
		return m
	case yaml.SequenceNode:
		s := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			s = append(s, d.value(c, depth+1))
		}
		return s
	}
	return d.scalar(n)
}

func (d *document) scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			d.fail(n, "put it in quotes if it is text", "%q cannot be read", n.Value)
			return nil
		}
		switch v := v.(type) {
		case int:
			return int64(v)
		case uint64:
			return float64(v)
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				d.fail(n, "use a finite number", "%q is no number that JSON can carry", n.Value)
				return nil
			}
			return v
		}
		return v
	}
	return n.Value
}
