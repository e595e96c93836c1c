package target_test

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

func TestResultKey(t *testing.T) {
	for _, c := range []struct{ name, id, format, want string }{
		{"an everyday id stays as it is", "secret_detection-0123abcd", "json", "secret_detection-0123abcd/results.json"},
		{"sarif has its own file", "wf", "sarif", "wf/results.sarif"},
		{"an unknown format means json", "wf", "xml", "wf/results.json"},
		{"no format means json", "wf", "", "wf/results.json"},
		{"a slash does not make a directory", "team/wf", "json", "team%2Fwf/results.json"},
		{"the parent directory is out of reach", "../../etc", "json", "%2E.%2F..%2Fetc/results.json"},
		{"two dots alone are a name", "..", "json", "%2E./results.json"},
		{"a percent sign cannot forge an escape", "a%2Fb", "json", "a%252Fb/results.json"},
		{"a backslash and a newline are encoded", "a\\b\nc", "json", "a%5Cb%0Ac/results.json"},
		{"letters of any language stay", "größe 名", "json", "größe 名/results.json"},
		{"a byte that is not UTF-8 is encoded", "a\xffb", "json", "a%FFb/results.json"},
		{"the first byte of a character alone is encoded", "a\xefb", "json", "a%EFb/results.json"},
		{"the replacement character itself stays", "a\uFFFDb", "json", "a\uFFFDb/results.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := target.ResultKey(c.id, c.format)
			if err != nil || got != c.want {
				t.Errorf("ResultKey(%q, %q) = %q, %v; want %q", c.id, c.format, got, err, c.want)
			}
		})
	}
	t.Run("an empty id is refused", func(t *testing.T) {
		if _, err := target.ResultKey("", "json"); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("long ids that share their beginning stay apart", func(t *testing.T) {
		a, _ := target.ResultKey(strings.Repeat("x", 999)+"a", "json")
		b, _ := target.ResultKey(strings.Repeat("x", 999)+"b", "json")
		if a == b {
			t.Errorf("both have the key %q", a)
		}
	})
}

func FuzzResultKey(f *testing.F) {
	for _, s := range []string{"wf", "..", "../x", "a/b", "%", "\x00", "\xff\xfe", "\uFFFD", strings.Repeat("é", 400)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, id string) {
		key, err := target.ResultKey(id, "json")
		if err != nil {
			if id != "" {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		dir, file := path.Split(key)
		dir = strings.TrimSuffix(dir, "/")
		if file != "results.json" || strings.ContainsAny(dir, "/\\\x00") || dir[0] == '.' || len(dir) > 255 || !utf8.ValidString(key) || path.Clean(key) != key {
			t.Fatalf("ResultKey(%q) = %q", id, key)
		}
		if again, _ := target.ResultKey(id+"x", "json"); again == key {
			t.Fatalf("%q and the same with an x have one key", id)
		}
	})
}

func TestReplaced(t *testing.T) {
	id, err := cordon.ParseTargetID("fw")
	if err != nil {
		t.Fatal(err)
	}
	lost := target.Replaced(id, "v1")
	if !target.IsReplaced(fmt.Errorf("fetch: %w", lost)) {
		t.Error("a wrapped Replaced is not recognised")
	}
	if target.IsReplaced(errors.New("other")) || target.IsReplaced(nil) {
		t.Error("something else passes for Replaced")
	}
	if k := cordon.KindOf(lost); !k.Retryable() {
		t.Errorf("kind %s is final, but the next read succeeds", k)
	}
	if s := lost.Error(); !strings.Contains(s, "fw") || !strings.Contains(s, "v1") {
		t.Errorf("%q does not say what was asked for", s)
	}
}
