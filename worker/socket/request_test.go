package socket

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever arrives is refused with a reason, or is a request that means what was written.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"args":null}`, `{"args":["a",null,{"b":[1]}],"caller":{"workflow_id":"w","run_id":"r","attempt":3,"deadline":"2026-01-02T03:04:05Z"}}`,
		`{"args":[1],"args":[2],"ARGS":[3]}`, `{"caller":{"attempt":-1}}`, `{"caller":{"attempt":1e3}}`, `{"args":["\ud800"]}`, "{\"args\":[\"\xff\"]}",
		strings.Repeat("[", 10001), `{"args":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := parseRequest(bytes.NewReader(body))
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a reason")
			}
			return
		}
		if !utf8.Valid(body) || !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
		by := req.Caller
		if (by.WorkflowID == "") != (by.RunID == "") || by.Attempt < 0 || len(by.WorkflowID) > maxName {
			t.Errorf("accepted %+v", by)
		}
		for _, arg := range req.Args {
			if arg != nil && !json.Valid(arg) {
				t.Errorf("the argument %q is no JSON", arg)
			}
		}
		// What was understood is understood again.
		text, err := json.Marshal(req)
		if err != nil {
			t.Skip(err) // a year that RFC 3339 does not have
		}
		again, err := parseRequest(bytes.NewReader(text))
		if err != nil || len(again.Args) != len(req.Args) || !again.Caller.Deadline.Equal(by.Deadline) {
			t.Errorf("%q became %q: %+v, %v", body, text, again, err)
		}
	})
}
