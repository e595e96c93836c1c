package arguments_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
)

var signature = arguments.Signature{Op: "op", Names: []string{"name", "flag", "more"}, Usage: "call it rightly"}

func raw(encoding, data string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)})
}

func TestArgumentsThatAreMissingOrNullHaveTheirDefaults(t *testing.T) {
	for name, raws := range map[string][]converter.RawValue{
		"missing":              {{}, {}, {}},
		"an explicit null":     {raw("binary/null", ""), raw("binary/null", ""), raw("binary/null", "")},
		"null as JSON":         {raw("json/plain", "null"), raw("json/plain", "null"), raw("json/plain", "null")},
		"an object of nulls":   {raw("json/plain", `{"name":null,"flag":null,"more":null}`), {}, {}},
		"an object of nothing": {raw("json/plain", `{}`), {}, {}},
		"an object and others": {raw("json/plain", `{}`), raw("json/plain", "false"), {}},
		"an object of others":  {raw("json/plain", `{"else":1}`), {}, {}},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := arguments.Decode(signature, raws...)
			if err != nil {
				t.Fatal(err)
			}
			text, err1 := args.Text("name")
			flag, err2 := args.Bool("flag", true)
			more, err3 := args.Object("more")
			if text != "" || !flag || more != nil || err1 != nil || err2 != nil || err3 != nil {
				t.Errorf("got %q %t %s, %v %v %v", text, flag, more, err1, err2, err3)
			}
		})
	}
}

func TestAnErrorNamesTheArgumentAndNotItsValue(t *testing.T) {
	args, err := arguments.Decode(signature, raw("json/plain", "123456"), raw("json/plain", `"hunter2"`), raw("json/plain", "[7]"))
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := args.Text("name")
	_, err2 := args.Bool("flag", true)
	_, err3 := args.Object("more")
	for want, err := range map[string]error{
		"op: argument name is a number, not a string; call it rightly":  err1,
		"op: argument flag is a string, not a boolean; call it rightly": err2,
		"op: argument more is an array, not an object; call it rightly": err3,
	} {
		if err == nil || err.Error() != want || cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTheKeysOfAnObjectAreArgumentsByTheirFullName(t *testing.T) {
	sig := arguments.Signature{Op: "op", Names: []string{"given", "config"}, Usage: "call it rightly", FirstIsObject: true}
	args, err := arguments.Decode(sig, raw("json/plain", `{"config":7}`), raw("json/plain", `{"on":false,"names":["a","b"],"n":1e2,"none":null,"wrong":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	config, err := args.Fields("config")
	if err != nil {
		t.Fatal(err)
	}
	on, err1 := config.Bool("config.on", true)
	names, err2 := config.Texts("config.names", "x")
	n, err3 := config.Count("config.n", 5)
	none, err4 := config.Texts("config.none", "default")
	if on || len(names) != 2 || names[1] != "b" || n != 100 || len(none) != 1 || none[0] != "default" || err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Errorf("got %t %v %d %v, %v %v %v %v", on, names, n, none, err1, err2, err3, err4)
	}
	for key, want := range map[string]string{
		"config.wrong": "op: argument config.wrong is not an array of strings; call it rightly",
		"config.on":    "op: argument config.on is a boolean, not an array; call it rightly",
	} {
		if _, err := config.Texts(key); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if none, err := args.Fields("missing"); err != nil {
		t.Errorf("what is missing has no keys, and gives %v, %v", none, err)
	}
	// The first argument is an object here, and not all of them.
	if given, err := args.Object("given"); err != nil || string(given) != `{"config":7}` {
		t.Errorf("the first argument is %s, %v", given, err)
	}
}

// Whatever bytes a caller sends: an argument is read as it was meant, or refused.
func FuzzDecode(f *testing.F) {
	f.Add("json/plain", []byte(`"x"`))
	f.Add("json/plain", []byte(`{"name":"x","flag":true,"more":{"a":1}}`))
	f.Add("json/plain", []byte(`{"name":"\ud800"}`))
	f.Add("json/plain", []byte("\"\xff\""))
	f.Add("json/plain", []byte(` `))
	f.Add("json/protobuf", []byte(`[`))
	f.Add("binary/null", []byte(`x`))
	f.Add("binary/plain", []byte(`"x"`))
	f.Add("", []byte(nil))
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		args, err := arguments.Decode(signature, raw(encoding, string(data)))
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Fatalf("%v is not InvalidArgument", err)
			}
			return
		}
		s, err := args.Text("name")
		if err == nil && !utf8.ValidString(s) {
			t.Fatalf("%q is not valid UTF-8", s)
		}
		if err == nil && s != "" && data[0] == '"' {
			var want string
			if json.Unmarshal(data, &want) != nil || s != want {
				t.Fatalf("%q was read as %q", data, s)
			}
		}
		if o, err := args.Object("more"); err == nil && o != nil && !json.Valid(o) {
			t.Fatalf("%q is no JSON", o)
		}
		_, _ = args.Bool("flag", true) // must not panic
	})
}
