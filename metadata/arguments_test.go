package metadata_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

func TestArgumentsAreInTheMetadatasOrderWithDefaults(t *testing.T) {
	got, err := parse(t, fuzzing).Arguments("sha256-1", map[string]string{"target_file": "fuzz.py", "max_iterations": "5"})
	if err != nil {
		t.Fatal(err)
	}
	// timeout_seconds has no default of its own: default_parameters fills it.
	want := []any{"sha256-1", "fuzz.py", int64(5), int64(1800), "fast"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func TestTheSchemasDefaultComesBeforeDefaultParameters(t *testing.T) {
	w := parse(t, "name: x\nparameters: {properties: {a: {default: 1}, b: {}, c: {}}}\ndefault_parameters: {a: 2, b: 3}\n")
	got, err := w.Arguments("t", nil)
	if want := []any{"t", int64(1), int64(3), nil}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v; want %#v", got, err, want)
	}
}

func TestArgumentsConvertByType(t *testing.T) {
	for name, c := range map[string]struct {
		schema, given string
		want          string // as JSON, or ""
		says          string // the error, or ""
	}{
		"an integer":                 {"{type: integer}", " 12 ", `12`, ""},
		"a large integer":            {"{type: integer}", "9007199254740993", `9007199254740993`, ""},
		"no integer":                 {"{type: integer}", "1.5", "", `"1.5" is not a whole number`},
		"a number":                   {"{type: number}", "1e3", `1000`, ""},
		"no finite number":           {"{type: number}", "NaN", "", "not a number"},
		"a boolean":                  {"{type: boolean}", "Yes", `true`, ""},
		"no boolean":                 {"{type: boolean}", "maybe", "", "true or false"},
		"a string that looks like 1": {"{type: string}", "1", `"1"`, ""},
		"a list":                     {"{type: array}", `["a", 9007199254740993]`, `["a",9007199254740993]`, ""},
		"no list":                    {"{type: array}", "a,b", "", `a JSON list such as ["a","b"]`},
		"an object":                  {"{type: object}", `{"a":{"b":1}}`, `{"a":{"b":1}}`, ""},
		"no object":                  {"{type: object}", "[1]", "", "a JSON object"},
		"two JSON values":            {"{type: object}", "{} {}", "", "a JSON object"},
		"null where it is allowed":   {"{type: [integer, 'null']}", "null", `null`, ""},
		"the first type that fits":   {"{type: [integer, string]}", "x", `"x"`, ""},
		"none of several types":      {"{type: [integer, boolean]}", "x", "", "a whole number or true or false"},
		"JSON without a type":        {"{}", `[1]`, `[1]`, ""},
		"text without a type":        {"{}", `a b`, `"a b"`, ""},
		"a member of the enum":       {"{type: integer, enum: [1, 2]}", "2", `2`, ""},
		"none of the enum":           {"{type: string, enum: [fast, slow]}", "fsat", "", `"fsat" is not one of "fast", "slow"`},
		"at the minimum":             {"{type: integer, minimum: 1}", "1", `1`, ""},
		"below the minimum":          {"{type: integer, minimum: 1}", "0", "", "0 is less than the minimum, 1"},
		"above the maximum":          {"{type: number, maximum: 0.5}", "0.6", "", "0.6 is more than the maximum, 0.5"},
		"text with an angle bracket": {"{type: string, enum: [a]}", "<b>", "", `"<b>" is not one of`},
	} {
		t.Run(name, func(t *testing.T) {
			w := parse(t, "name: x\nvertical: y\nparameters: {properties: {p: "+c.schema+"}}\n")
			args, err := w.Arguments("t", map[string]string{"p": c.given})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `"p"`) {
					t.Errorf("got %v, %v; the error should say %q", args, err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(args[1]); err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestArgumentsReportEveryMistake(t *testing.T) {
	_, err := parse(t, fuzzing).Arguments("t", map[string]string{"max_iteration": "5", "strategy": "x", "zzz": "1"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"did you mean max_iterations? The known ones are target_file, max_iterations, timeout_seconds, strategy",
		`"x" is not one of "fast", "thorough"`,
		`"target_file": a value is required; give --param target_file=VALUE`,
		`"zzz": atheris_fuzzing has no such parameter; use one of target_file`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nshould say %q", err, want)
		}
	}
	if cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("the kind is %q", cordon.KindOf(err))
	}
	w := parse(t, "name: x\n")
	if _, err := w.Arguments("t", map[string]string{"a": "1"}); err == nil || !strings.Contains(err.Error(), "takes no parameters") {
		t.Errorf("got %v", err)
	}
}

func TestNearestFindsWhatWasMeant(t *testing.T) {
	known := []string{"secret_detection", "security_assessment", "atheris_fuzzing"}
	for word, want := range map[string]string{
		"secret_detecton":      "secret_detection",
		"secrte_detection":     "secret_detection",
		"security-assessment":  "security_assessment",
		"fuzzing":              "",
		"":                     "",
		"gitleaks_detection":   "",
		"atheris_fuzzing_long": "",
	} {
		if got := metadata.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
