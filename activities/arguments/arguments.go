// Package arguments decodes the arguments of activities and workflows that any
// language calls: missing ones and null mean the default, extra ones are
// ignored, and one of the wrong type is an error that names it and is not
// retried (CONTRACT §1.1).
package arguments

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
)

// Payload encodings whose data is JSON text, and the one that says null. Any
// other (binary/plain, binary/encrypted without its codec, …) cannot be an
// argument of a storage activity.
const (
	encodingJSON      = "json/plain"
	encodingJSONProto = "json/protobuf"
	encodingNull      = "binary/null"
)

// Signature says how something is called.
type Signature struct {
	Op    string   // its name
	Names []string // its positional arguments
	Usage string   // what the error for a wrong one advises: a clause in the imperative

	// FirstIsObject says that the first argument is an object itself, so that there is
	// no form with all arguments by name.
	FirstIsObject bool
}

// Arguments are the arguments of one call by name. What was missing or null is
// not among them.
type Arguments struct {
	signature Signature
	values    map[string]json.RawMessage
}

// Decode reads positional arguments. If the first one is an object, and the
// signature has no object there, it holds all the arguments by name, and the
// others are ignored; so are keys that it should not have. The error is an
// InvalidArgument *cordon.Error.
func Decode(sig Signature, raws ...converter.RawValue) (Arguments, error) {
	args := Arguments{signature: sig, values: make(map[string]json.RawMessage, len(sig.Names))}
	for i, raw := range raws {
		name := sig.Names[i]
		text, err := JSON(raw)
		if err != nil {
			return args, args.Wrong(name, err.Error())
		}
		if text == nil {
			continue
		}
		if i == 0 && text[0] == '{' && !sig.FirstIsObject {
			return args, args.byName(text)
		}
		args.values[name] = text
	}
	return args, nil
}

func (a Arguments) byName(text json.RawMessage) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return a.Wrong(a.signature.Names[0], "is not well-formed JSON")
	}
	for _, name := range a.signature.Names {
		if v := bytes.TrimSpace(object[name]); len(v) > 0 && !bytes.Equal(v, []byte("null")) {
			a.values[name] = v
		}
	}
	return nil
}

// JSON returns the JSON text that a raw argument holds, or nil where it is
// missing or null.
func JSON(raw converter.RawValue) (json.RawMessage, error) {
	p := raw.Payload()
	if p == nil {
		return nil, nil
	}
	switch encoding := string(p.GetMetadata()[converter.MetadataEncoding]); encoding {
	case encodingNull:
		return nil, nil
	case encodingJSON, encodingJSONProto:
	default:
		return nil, fmt.Errorf("has the payload encoding %.40q", encoding)
	}
	text := bytes.TrimSpace(p.GetData())
	switch {
	case !utf8.Valid(text):
		return nil, errors.New("is not valid UTF-8")
	case !json.Valid(text):
		return nil, errors.New("is not well-formed JSON")
	case bytes.Equal(text, []byte("null")):
		return nil, nil
	}
	return text, nil
}

// Text returns the string argument name, or "" where it was missing or null.
func (a Arguments) Text(name string) (string, error) {
	v, ok := a.values[name]
	if !ok {
		return "", nil
	}
	var s string
	if v[0] != '"' || json.Unmarshal(v, &s) != nil {
		return "", a.wrongType(name, v, "a string")
	}
	// encoding/json replaces half a surrogate pair by U+FFFD, and so would give
	// two ids one name.
	if strings.ContainsRune(s, utf8.RuneError) &&
		!bytes.ContainsRune(v, utf8.RuneError) && !bytes.Contains(bytes.ToLower(v), []byte(`\ufffd`)) {
		return "", a.Wrong(name, "is not valid Unicode")
	}
	return s, nil
}

// Bool returns the boolean argument name, or def where it was missing or null.
func (a Arguments) Bool(name string, def bool) (bool, error) {
	v, ok := a.values[name]
	if !ok {
		return def, nil
	}
	if err := json.Unmarshal(v, &def); err != nil {
		return false, a.wrongType(name, v, "a boolean")
	}
	return def, nil
}

// Count returns the whole number argument name, which is not negative, or def where it
// was missing or null. Languages that know one kind of number write 1e6, or 1000000.0.
func (a Arguments) Count(name string, def int64) (int64, error) {
	v, ok := a.values[name]
	if !ok {
		return def, nil
	}
	var f float64
	if (v[0] != '-' && (v[0] < '0' || v[0] > '9')) || json.Unmarshal(v, &f) != nil {
		return 0, a.wrongType(name, v, "a number")
	}
	if f < 0 || f != math.Trunc(f) || f > maxCount {
		return 0, a.Wrong(name, "is not a whole number from 0 to 10^15")
	}
	return int64(f), nil
}

// maxCount is far beyond what anybody counts, and below what a float64 holds exactly.
const maxCount = 1e15

// Object returns the JSON text of the object argument name, its keys in the
// order in which they came, or nil where it was missing or null.
func (a Arguments) Object(name string) (json.RawMessage, error) {
	v := a.values[name]
	if v != nil && v[0] != '{' {
		return nil, a.wrongType(name, v, "an object")
	}
	return v, nil
}

// Fields returns the keys of the object argument name as arguments, each called
// name.key. They are none where the argument was missing or null.
func (a Arguments) Fields(name string) (Arguments, error) {
	fields := Arguments{signature: a.signature, values: make(map[string]json.RawMessage)}
	object, err := a.Object(name)
	if err != nil || object == nil {
		return fields, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(object, &keys); err != nil {
		return fields, a.Wrong(name, "is not well-formed JSON")
	}
	for key, v := range keys {
		if v = bytes.TrimSpace(v); !bytes.Equal(v, []byte("null")) {
			fields.values[name+"."+key] = v
		}
	}
	return fields, nil
}

// List returns the JSON text of the array argument name, or nil where it was missing
// or null.
func (a Arguments) List(name string) (json.RawMessage, error) {
	v := a.values[name]
	if v != nil && v[0] != '[' {
		return nil, a.wrongType(name, v, "an array")
	}
	return v, nil
}

// Texts returns the argument name, an array of strings, or def where it was missing or
// null.
func (a Arguments) Texts(name string, def ...string) ([]string, error) {
	v, err := a.List(name)
	if err != nil || v == nil {
		return def, err
	}
	var out []string
	if err := json.Unmarshal(v, &out); err != nil {
		return nil, a.Wrong(name, "is not an array of strings")
	}
	return out, nil
}

// Wrong returns the InvalidArgument error for the argument name. It never shows
// the value: that may be anything, a secret too.
func (a Arguments) Wrong(name, what string) error {
	return &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   a.signature.Op,
		Err:  fmt.Errorf("argument %s %s", name, what),
		Fix:  a.signature.Usage,
	}
}

func (a Arguments) wrongType(name string, v json.RawMessage, want string) error {
	return a.Wrong(name, "is "+jsonType(v)+", not "+want)
}

// jsonType says what kind of JSON value v is, with its article.
func jsonType(v json.RawMessage) string {
	switch v[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}
