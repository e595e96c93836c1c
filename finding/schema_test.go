package finding

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// schema is a JSON schema of draft 4, as far as SARIF's uses it. A keyword that it does not know fails
// the test: nothing in the schema is passed over.
type schema struct {
	root map[string]any
}

func readSchema(t testing.TB) schema {
	t.Helper()
	b, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns what is wrong with a document.
func (s schema) validate(doc []byte) (problems []string) {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return []string{err.Error()}
	}
	s.check(s.root, v, "$", &problems)
	return problems
}

func (s schema) check(sc map[string]any, v any, at string, out *[]string) {
	bad := func(format string, args ...any) { *out = append(*out, at+": "+fmt.Sprintf(format, args...)) }
	valid := func(sub any) bool {
		var ps []string
		s.check(sub.(map[string]any), v, at, &ps)
		return len(ps) == 0
	}
	for key, want := range sc {
		switch key {
		case "$schema", "id", "title", "description", "default", "definitions":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/definitions/")
			s.check(s.root["definitions"].(map[string]any)[name].(map[string]any), v, at, out)
		case "type":
			names, ok := want.([]any)
			if !ok {
				names = []any{want}
			}
			if !slices.ContainsFunc(names, func(n any) bool { return isType(v, n.(string)) }) {
				bad("is %T, not %s", v, want)
			}
		case "enum":
			found := false
			for _, e := range want.([]any) {
				found = found || reflect.DeepEqual(e, v)
			}
			if !found {
				bad("%v is none of %v", v, want)
			}
		case "required":
			if m, ok := v.(map[string]any); ok {
				for _, name := range want.([]any) {
					if _, ok := m[name.(string)]; !ok {
						bad("lacks %s", name)
					}
				}
			}
		case "properties":
			if m, ok := v.(map[string]any); ok {
				for name, sub := range want.(map[string]any) {
					if child, ok := m[name]; ok {
						s.check(sub.(map[string]any), child, at+"."+name, out)
					}
				}
			}
		case "additionalProperties":
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			props, _ := sc["properties"].(map[string]any)
			for name, child := range m {
				if _, known := props[name]; known {
					continue
				}
				switch w := want.(type) {
				case bool:
					if !w {
						bad("has the unknown %s", name)
					}
				case map[string]any:
					s.check(w, child, at+"."+name, out)
				}
			}
		case "items":
			if list, ok := v.([]any); ok {
				for i, child := range list {
					s.check(want.(map[string]any), child, fmt.Sprintf("%s[%d]", at, i), out)
				}
			}
		case "minItems":
			if list, ok := v.([]any); ok && float64(len(list)) < want.(float64) {
				bad("has %d items", len(list))
			}
		case "uniqueItems":
			list, ok := v.([]any)
			for i := range list {
				for j := range i {
					if ok && want.(bool) && reflect.DeepEqual(list[i], list[j]) {
						bad("items %d and %d are the same", i, j)
					}
				}
			}
		case "minimum":
			if n, ok := v.(float64); ok && n < want.(float64) {
				bad("%v is less than %v", n, want)
			}
		case "maximum":
			if n, ok := v.(float64); ok && n > want.(float64) {
				bad("%v is more than %v", n, want)
			}
		case "pattern":
			if str, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(str) {
				bad("%q does not match %s", str, want)
			}
		case "format":
			if str, ok := v.(string); ok {
				if err := checkFormat(want.(string), str); err != nil {
					bad("%v", err)
				}
			}
		case "anyOf", "oneOf":
			n := 0
			for _, sub := range want.([]any) {
				if valid(sub) {
					n++
				}
			}
			if n == 0 || key == "oneOf" && n > 1 {
				bad("%d of %s hold", n, key)
			}
		default:
			bad("the schema has the keyword %s, which this validator does not know", key)
		}
	}
}

func isType(v any, want string) bool {
	switch v := v.(type) {
	case map[string]any:
		return want == "object"
	case []any:
		return want == "array"
	case string:
		return want == "string" && utf8.ValidString(v)
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == math.Trunc(v)
	}
	return want == "null"
}

func checkFormat(format, s string) error {
	switch format {
	case "uri":
		u, err := url.Parse(s)
		if err == nil && !u.IsAbs() {
			err = fmt.Errorf("%q is not absolute", s)
		}
		return err
	case "uri-reference":
		for i := range len(s) {
			if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", s[i]) >= 0 {
				return fmt.Errorf("%q has a character that a URI may not have", s)
			}
		}
		_, err := url.Parse(s)
		return err
	case "date-time":
		_, err := time.Parse(time.RFC3339Nano, s)
		return err
	}
	return fmt.Errorf("the format %s is not known to this validator", format)
}

func TestTheValidatorSeesWhatIsWrong(t *testing.T) {
	s := readSchema(t)
	good := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"m"}}]}]}`
	if p := s.validate([]byte(good)); p != nil {
		t.Errorf("a valid document: %v", p)
	}
	for name, change := range map[string][2]string{
		"wrong version":       {`"2.1.0"`, `"2.0.0"`},
		"no tool":             {`"tool":{"driver":{"name":"x"}},`, ``},
		"an unknown property": {`"message"`, `"massage":1,"message"`},
		"a wrong level":       {`"message"`, `"level":"bad","message"`},
		"a line of zero":      {`"message"`, `"locations":[{"physicalLocation":{"region":{"startLine":0}}}],"message"`},
		"a space in a URI":    {`"message"`, `"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a b"}}}],"message"`},
		"a wrong type":        {`"text":"m"`, `"text":1`},
		"an empty message":    {`{"text":"m"}`, `{}`},
	} {
		if p := s.validate([]byte(strings.Replace(good, change[0], change[1], 1))); p == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
