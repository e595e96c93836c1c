package secrets

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
)

func withCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func newScrubber(t testing.TB) *Scrubber {
	t.Helper()
	s, err := NewScrubber()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScrubTakesSecretsOutAndLeavesCodeAlone(t *testing.T) {
	s := newScrubber(t)
	s.Add("open-sesame")
	key := strings.TrimSpace(privateKey(t))
	keyLines := strings.Split(key, "\n")
	for _, c := range []struct{ name, in, gone string }{
		{"what a rule knows", "x = '" + awsKey + "'", awsKey[4:]},
		{"two on one line", awsKey + " " + ghToken, ghToken[4:]},
		{"what it was told of", "say(open-sesame)", "sesame"},
		{"a quoted password", `password = "tiger"`, "tiger"},
		{"a password as an argument", `connect(host="db", passwd='tiger')`, "tiger"},
		{"a password in a map", `{"db_password": "tiger"}`, "tiger"},
		{"a variable of the environment", "export DB_PASSWORD=tigertiger", "tiger"},
		{"a password in a URL", "postgres://app:tiger@db/x", "tiger"},
		{"a header", "Authorization: Bearer abcdefghijklmnop", "abcdefgh"},
		{"a private key", key, keyLines[1]},
		{"an encoded key", "data: " + base64.StdEncoding.EncodeToString([]byte("key="+awsKey)), base64.StdEncoding.EncodeToString([]byte("key=" + awsKey))[4:20]},
		{"a long random word", "f('" + "aZ3kPq9Lm2Xc7Vb5Nn8Rt1Yw6Uj4Ho0Ks3" + "')", "aZ3kPq9L"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := s.Scrub("before\n" + c.in + "\nafter")
			if strings.Contains(out, c.gone) {
				t.Errorf("%q is still in %q", c.gone, out)
			}
			if !strings.HasPrefix(out, "before\n") || !strings.HasSuffix(out, "\nafter") {
				t.Errorf("the lines around are gone: %q", out)
			}
		})
	}
	code := "import os\ncur.execute(\"SELECT a FROM b WHERE c = \" + name)\nthis_is_a_very_long_function_name_indeed_with_words()\nif token == expected: pass\npassword = read_password()\n"
	if got := s.Scrub(code); got != code {
		t.Errorf("ordinary code was changed:\n%s", got)
	}
}

func FuzzScrubKeepsTheNumberOfLines(f *testing.F) {
	for _, seed := range []string{"", "\n\n", "a\npassword = 'x y z'\n", "-----BEGIN PRIVATE KEY-----\nabc\n", awsKey + "\r\n", "k=" + base64.StdEncoding.EncodeToString([]byte(awsKey+"\n\n"))} {
		f.Add(seed)
	}
	s := newScrubber(f)
	s.Add("two\nlines-of-it")
	f.Fuzz(func(t *testing.T, text string) {
		out := s.Scrub(text)
		if strings.Count(out, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q became %q", text, out)
		}
	})
}
