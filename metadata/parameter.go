package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parameter is one entry of parameters.properties: the part of its JSON schema
// that Cordon understands. Other keywords are legal and have no effect here.
type Parameter struct {
	Name        string
	Types       []string // "integer", "number", "boolean", "string", "array", "object", "null"; none means any
	Description string
	Default     any // what the schema gives; nil is a default too where HasDefault is set
	HasDefault  bool
	Required    bool
	Enum        []any    // the values allowed; none means any
	Minimum     *float64 // inclusive; nil means none
	Maximum     *float64 // inclusive; nil means none
}

var jsonTypes = []string{"string", "integer", "number", "boolean", "array", "object", "null"}

// parameters reads the JSON schema object of CONTRACT §2, in the file's order.
func (d *document) parameters(f field) []Parameter {
	var out []Parameter
	var required []field
	for _, e := range d.mapping(f) {
		switch e.name {
		case "properties":
			for _, p := range d.mapping(e) {
				out = append(out, d.parameter(p))
			}
		case "required":
			for i, name := range d.texts(e) {
				required = append(required, field{name: name, key: follow(e.val).Content[i]})
			}
		case "type":
			if t := d.text(e); t != "object" && t != "" {
				d.fail(e.val, "use object", "parameters must have the type object, not %q", t)
			}
		default:
			d.value(e.val, 1) // for its problems; the keyword itself has no effect here
		}
	}
	for _, r := range required {
		i := slices.IndexFunc(out, func(p Parameter) bool { return p.Name == r.name })
		if i < 0 {
			d.warn(r.key, "required names %q, which properties does not declare", r.name)
			continue
		}
		out[i].Required = true
	}
	return out
}

func (d *document) parameter(f field) Parameter {
	p := Parameter{Name: f.name}
	var def *yaml.Node
	for _, e := range d.mapping(f) {
		switch e.name {
		case "type":
			p.Types = d.types(e)
		case "description":
			p.Description = strings.TrimSpace(d.text(e))
		case "default":
			p.Default, p.HasDefault, def = d.value(e.val, 1), true, e.val
		case "enum":
			v, ok := d.value(e.val, 1).([]any)
			if !ok {
				d.fail(e.val, "write a list such as [a, b]", "enum must be a list, not %s", kindOf(e.val))
			}
			p.Enum = v
		case "minimum":
			p.Minimum = d.number(e)
		case "maximum":
			p.Maximum = d.number(e)
		default:
			d.value(e.val, 1) // for its problems; the keyword itself has no effect here
		}
	}
	if def != nil {
		if err := p.check(p.Default); err != nil {
			d.warn(def, "the default of %s does not fit its own schema: %v", p.Name, err)
		}
	}
	return p
}

func (d *document) types(f field) []string {
	var types []string
	if follow(f.val).Kind == yaml.SequenceNode {
		types = d.texts(f)
	} else if t := d.text(f); t != "" {
		types = []string{t}
	}
	for _, t := range types {
		if !slices.Contains(jsonTypes, t) {
			d.fail(f.val, "use "+orList(jsonTypes), "%q is not a JSON type", t)
			return nil
		}
	}
	return types
}

func (d *document) number(f field) *float64 {
	switch v := d.value(f.val, 1).(type) {
	case int64:
		n := float64(v)
		return &n
	case float64:
		return &v
	}
	d.fail(f.val, "write a number", "%s must be a number, not %s", f.name, kindOf(f.val))
	return nil
}

// convert turns text, as it stands on a command line, into the first of the
// parameter's types that it can be. Without a type, text that is JSON is taken
// as JSON and everything else as a string.
func (p Parameter) convert(text string) (any, error) {
	types := p.Types
	if len(types) == 0 {
		if v, err := decodeJSON(text); err == nil {
			return v, p.check(v)
		}
		return text, p.check(text)
	}
	for _, t := range types {
		if v, ok := convertTo(t, text); ok {
			return v, p.check(v)
		}
	}
	return nil, fmt.Errorf("%q is not %s", text, p.typeForms())
}

func convertTo(typ, text string) (any, bool) {
	switch typ {
	case "string":
		return text, true
	case "integer":
		v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		return v, err == nil
	case "number":
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
	case "boolean":
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
	case "array":
		v, err := decodeJSON(text)
		a, ok := v.([]any)
		return a, err == nil && ok
	case "object":
		v, err := decodeJSON(text)
		o, ok := v.(map[string]any)
		return o, err == nil && ok
	case "null":
		return nil, text == "null"
	}
	return nil, false
}

// decodeJSON decodes exactly one value. Numbers stay as they were written: a
// float64 would round a large integer.
func decodeJSON(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// check reports whether v fits the parameter's types, enum and range.
func (p Parameter) check(v any) error {
	if v == nil && !slices.ContainsFunc(p.Enum, func(e any) bool { return e == nil }) {
		return nil // "not given" is how clients of every language spell an absent parameter
	}
	if len(p.Types) > 0 && !slices.ContainsFunc(p.Types, func(t string) bool { return isType(t, v) }) {
		return fmt.Errorf("%s is not %s", render(v), p.typeForms())
	}
	if len(p.Enum) > 0 && !slices.ContainsFunc(p.Enum, func(e any) bool { return render(e) == render(v) }) {
		known := make([]string, len(p.Enum))
		for i, e := range p.Enum {
			known[i] = render(e)
		}
		return fmt.Errorf("%s is not one of %s", render(v), strings.Join(known, ", "))
	}
	if n, ok := asNumber(v); ok {
		if p.Minimum != nil && n < *p.Minimum {
			return fmt.Errorf("%s is less than the minimum, %s", render(v), render(*p.Minimum))
		}
		if p.Maximum != nil && n > *p.Maximum {
			return fmt.Errorf("%s is more than the maximum, %s", render(v), render(*p.Maximum))
		}
	}
	return nil
}

func isType(typ string, v any) bool {
	switch v := v.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case []any:
		return typ == "array"
	case map[string]any:
		return typ == "object"
	default:
		n, ok := asNumber(v)
		return ok && (typ == "number" || typ == "integer" && n == math.Trunc(n))
	}
}

func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// render writes a value as JSON, for messages and for comparing by value.
func render(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v) // not reached by what value and decodeJSON make
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// typeForms says what is accepted on a command line.
func (p Parameter) typeForms() string {
	forms := map[string]string{
		"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
		"array": `a JSON list such as ["a","b"]`, "object": `a JSON object such as {"key":"value"}`, "null": "null",
	}
	out := make([]string, len(p.Types))
	for i, t := range p.Types {
		out[i] = forms[t]
	}
	return orList(out)
}

// orList renders "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
