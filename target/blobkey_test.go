package target_test

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

func TestBlobNames(t *testing.T) {
	long := strings.Repeat("x", 500)
	for text, want := range map[string]string{
		"":                       "%",
		"fuzz_parser":            "fuzz_parser",
		"afl++":                  "afl++",
		"a/b":                    "a%2Fb",
		"..":                     "%2E.",
		"100%":                   "100%25",
		"größe":                  "gr%C3%B6%C3%9Fe",
		"\x00\xff":               "%00%FF",
		strings.Repeat("y", 135): strings.Repeat("y", 135),
	} {
		if got := target.BlobName(text); got != want {
			t.Errorf("BlobName(%q) = %q, want %q", text, got, want)
		}
	}
	if got := target.BlobName(long); len(got) != 200 || !strings.HasPrefix(got, "xxx") || got == target.BlobName(long+"x") {
		t.Errorf("BlobName of a long text = %q", got)
	}
}

func TestBlobKeysThatAreNone(t *testing.T) {
	for _, key := range []string{
		"", "/", "a/", "/a", "a//b", ".a", "a/.b", "a/..", "a b", "a\\b", "ä", "a:b", "a\x00", "a/b?c",
		strings.Repeat("a", 201), "a/b/c/d/e/f/g/h/i", strings.Repeat(strings.Repeat("a", 199)+"/", 5) + "a",
	} {
		if err := target.CheckBlobKey(key); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("CheckBlobKey(%.40q) = %v", key, err)
		}
	}
	for _, key := range []string{"a", "a/b/c/d/e/f/g/h", strings.Repeat("a", 200), "A-z_0.9~%+="} {
		if err := target.CheckBlobKey(key); err != nil {
			t.Errorf("CheckBlobKey(%.40q) = %v", key, err)
		}
	}
	if target.CheckBlobPrefix("") != nil || target.CheckBlobPrefix("a/") == nil {
		t.Error("a prefix is nothing or whole components")
	}
}

func FuzzBlobNames(f *testing.F) {
	for _, s := range []string{"", "a", "..", "%", "a%2Fb", "é", "\xff", strings.Repeat("/", 45), strings.Repeat("a", 136)} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := target.BlobName(a), target.BlobName(b)
		if err := target.CheckBlobKey(x + "/" + y); err != nil {
			t.Error(err)
		}
		if (a == b) != (x == y) {
			t.Errorf("%q and %q are spelled %q and %q", a, b, x, y)
		}
		if text, ok := target.BlobText(x); ok && text != a || !ok && len(x) <= 135 {
			t.Errorf("BlobText(%q) = %q, %v; want %q", x, text, ok, a)
		}
		if text, ok := target.BlobText(a); ok && target.BlobName(text) != a {
			t.Errorf("BlobText(%q) = %q", a, text)
		}
	})
}
