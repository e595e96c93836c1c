package gofuzz

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// header is the first line of an input in Go's format.
const header = "go test fuzz v1"

// value is one argument of a fuzz function, as its line in an input has it.
type value struct {
	typ  string // "[]byte", "string", "int" …
	text string // of the literal in the brackets, for a type that is not bytes
	data []byte // of a []byte or string
}

// isBytes reports whether data says all of the value.
func (v value) isBytes() bool { return v.typ == "[]byte" || v.typ == "string" }

// isEncoded reports whether an input is meant to be in Go's format.
func isEncoded(input []byte) bool {
	first, _, _ := bytes.Cut(input, []byte("\n"))
	return string(bytes.TrimSuffix(first, []byte("\r"))) == header
}

// decode reads an input in Go's format. It does not check that literals fit their
// types: Go does, before it uses them.
func decode(input []byte) ([]value, error) {
	if !isEncoded(input) {
		return nil, errors.New("it is not in the format " + header)
	}
	_, rest, _ := bytes.Cut(input, []byte("\n"))
	var values []value
	for line := range bytes.Lines(rest) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		v, err := decodeValue(string(line))
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil, errors.New("it has no value")
	}
	return values, nil
}

func decodeValue(line string) (value, error) {
	wrong := fmt.Errorf("%.60q is no value", line)
	e, err := parser.ParseExpr(line)
	if err != nil {
		return value{}, wrong
	}
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return value{}, wrong
	}
	// Positions of ParseExpr begin at 1.
	at := func(n ast.Node) string { return line[n.Pos()-1 : n.End()-1] }
	v := value{typ: at(call.Fun), text: at(call.Args[0])}
	if !v.isBytes() {
		return v, nil
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return value{}, wrong
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return value{}, wrong
	}
	v.data = []byte(s)
	return v, nil
}

// encode is the inverse of decode.
func encode(values []value) []byte {
	var b strings.Builder
	b.WriteString(header + "\n")
	for _, v := range values {
		text := v.text
		if v.isBytes() {
			text = strconv.Quote(string(v.data))
		}
		fmt.Fprintf(&b, "%s(%s)\n", v.typ, text)
	}
	return []byte(b.String())
}

// digest names a file by its content, as Go does.
func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data))[:16] }

// seedHeader is the first line of a file in Artifacts that stands for a seed which the
// harness adds by f.Add: Go does not say what it holds. The second line is its name,
// such as seed#0.
const seedHeader = "cordon: seed of f.Add"

func seedFile(name string) []byte { return []byte(seedHeader + "\n" + name + "\n") }

// seedName is the inverse of seedFile.
func seedName(input []byte) (string, bool) {
	rest, ok := strings.CutPrefix(string(input), seedHeader+"\n")
	name := strings.TrimSuffix(rest, "\n")
	return name, ok && isSeed(name)
}

// isSeed reports whether name is what Go calls a seed of f.Add.
func isSeed(name string) bool {
	digits, ok := strings.CutPrefix(name, "seed#")
	if !ok || digits == "" || len(digits) > 9 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}
