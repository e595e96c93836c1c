package cordon_test

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestIDs(t *testing.T) {
	for _, ok := range []string{"a", "sha256-00ff", "0b9f7c6e-1c1f-4a3e-9d57-4d2f7a9f0c11", "run..xyz", "a b", "☃", "Shared", "targets", "-x", strings.Repeat("x", 200)} {
		if id, err := cordon.ParseTargetID(ok); err != nil || id.String() != ok {
			t.Errorf("ParseTargetID(%q) = %q, %v", ok, id, err)
		}
		if id, err := cordon.ParseRunID(ok); err != nil || id.String() != ok {
			t.Errorf("ParseRunID(%q) = %q, %v", ok, id, err)
		}
	}
	for bad, says := range map[string]string{
		"": "empty", ".": "dot", "..": "dot", ".hidden": "dot", "a/b": "separator", "/a": "separator", "../a": "dot", `a\b`: "separator",
		"shared": "layout", "workspace": "layout", "target": "layout", "a\x00b": "control", "a\nb": "control", "a\x7fb": "control", "\u0085": "control",
		"\xff": "UTF-8", strings.Repeat("x", 201): "201 bytes",
	} {
		for arg, parse := range map[string]func(string) error{
			"target_id": func(s string) error { _, err := cordon.ParseTargetID(s); return err },
			"run_id":    func(s string) error { _, err := cordon.ParseRunID(s); return err },
		} {
			err := parse(bad)
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), arg) {
				t.Errorf("%s %q: error = %v, want InvalidArgument that says %q", arg, bad, err, says)
			}
			if strings.ContainsAny(err.Error(), "\x00\n\x7f") {
				t.Errorf("%s %q: the message repeats control characters: %q", arg, bad, err)
			}
		}
	}
	var id cordon.TargetID
	if err := id.UnmarshalText([]byte("../x")); err == nil {
		t.Error("UnmarshalText accepted a path")
	}
}

func FuzzParseTargetID(f *testing.F) {
	for _, s := range []string{"ok", "..", "a/b", "\xff", "a\u2028b", strings.Repeat("é", 101)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := cordon.ParseTargetID(s)
		if err != nil {
			return
		}
		if got := id.String(); got != s || strings.Contains(got, "/") || got[0] == '.' || len(got) > cordon.MaxIDBytes {
			t.Errorf("accepted %q as %q", s, got)
		}
	})
}

func TestModes(t *testing.T) {
	for in, want := range map[string]cordon.Mode{"": cordon.Isolated, "isolated": cordon.Isolated, "shared": cordon.Shared, "copy-on-write": cordon.CopyOnWrite} {
		if m, err := cordon.ParseMode(in); m != want || err != nil {
			t.Errorf("ParseMode(%q) = %q, %v", in, m, err)
		}
	}
	for _, bad := range []string{"Isolated", "cow", "copy_on_write", " shared", "x"} {
		if _, err := cordon.ParseMode(bad); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "isolated, shared or copy-on-write") {
			t.Errorf("ParseMode(%q): %v", bad, err)
		}
	}
}
