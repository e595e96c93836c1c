package pack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// left reports whether an ignore file at the root leaves path out, or a folder
// above it. A path that ends in a slash is a folder.
func left(text, path string) bool {
	sets := []ruleset{parseIgnore("", text)}
	isDir := strings.HasSuffix(path, "/")
	path = strings.TrimSuffix(path, "/")
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		if out, _ := verdict(sets, path[:i], true); out {
			return true
		}
	}
	out, _ := verdict(sets, path, isDir)
	return out
}

var ignoreCases = []struct {
	name, file, path string
	want             bool
}{
	{"a name is left out at every depth", "foo", "a/b/foo", true},
	{"a name is matched whole", "foo", "foobar", false},
	{"what is in a folder goes with it", "foo", "foo/bar/baz", true},
	{"a slash at the beginning anchors", "/foo", "a/foo", false},
	{"an anchored name is left out at the root", "/foo", "foo", true},
	{"a slash in the middle anchors", "a/foo", "b/a/foo", false},
	{"a slash at the end means folders", "foo/", "foo", false},
	{"a folder is a folder", "foo/", "x/foo/", true},
	{"a star does not cross a slash", "a/*", "a/b/c", true}, // a/b goes, and c with it
	{"a star matches inside one name", "a/*.c", "a/b/x.c", false},
	{"a star matches nothing too", "foo*", "foo", true},
	{"a star matches a leading dot", "*", ".hidden", true},
	{"a suffix is matched at every depth", "*.o", "a/b/x.o", true},
	{"two stars at the beginning match the root", "**/foo", "foo", true},
	{"two stars at the beginning match below", "**/foo/bar", "a/b/foo/bar", true},
	{"two stars at the end match all inside", "a/**", "a/b/c", true},
	{"two stars at the end do not match the folder", "a/**", "a/", false},
	{"two stars in the middle match no folder", "a/**/b", "a/b", true},
	{"two stars in the middle match many", "a/**/b", "a/x/y/b", true},
	{"two stars beside a letter are one", "a**/b", "axx/b", true},
	{"two stars beside a letter cross no slash", "x/a**b", "x/ac/db", false},
	{"a question mark is one byte", "?oo", "foo", true},
	{"a question mark is no slash", "a?b", "a/b", false},
	{"a range", "f[a-o]o", "foo", true},
	{"a negated range", "f[!a-n]o", "foo", true},
	{"a caret negates too", "f[^o]o", "foo", false},
	{"a bracket that begins with a bracket", "f[]o]o", "f]o", true},
	{"a class", "x[[:digit:]]", "x7", true},
	{"a class that is unknown matches nothing", "x[[:nope:]]", "xn", false},
	{"a bracket that does not end matches nothing", "f[o", "f[o", false},
	{"a backslash takes a star as it is", `f\*o`, "f*o", true},
	{"a backslash at the end matches nothing", `foo\`, "foo", false},
	{"a comment", "#foo", "#foo", false},
	{"no comment", `\#foo`, "#foo", true},
	{"a negation brings back", "*.o\n!x.o", "a/x.o", false},
	{"the last match decides", "!x.o\n*.o", "x.o", true},
	{"nothing comes back from a folder that is out", "foo/\n!foo/bar", "foo/bar", true},
	{"something comes back where its folder is in", "foo/*\n!foo/bar", "foo/bar", false},
	{"an exclamation mark as it is", `\!foo`, "!foo", true},
	{"spaces at the end do not count", "foo   ", "foo", true},
	{"a space with a backslash counts", `foo\ `, "foo ", true},
	{"a carriage return does not count", "foo\r\nbar\r\n", "foo", true},
	{"a byte order mark does not count", "\ufefffoo", "foo", true},
	{"an empty line means nothing", "\n\n", "x", false},
	{"a slash alone means nothing", "/", "x", false},
	{"letters of any language", "größe", "a/größe", true},
	{"a question mark is a byte of such a letter", "gr??ße", "größe", true},
	{"capitals differ", "FOO", "foo", false},
}

func TestIgnore(t *testing.T) {
	for _, c := range ignoreCases {
		t.Run(c.name, func(t *testing.T) {
			if got := left(c.file, c.path); got != c.want {
				t.Errorf("%q leaves out %q: %v, want %v", c.file, c.path, got, c.want)
			}
		})
	}
}

func TestADeeperIgnoreFileWins(t *testing.T) {
	sets := []ruleset{parseIgnore("", "*.log\n/sub/x.txt"), parseIgnore("sub", "!keep.log\n/y.txt")}
	for path, want := range map[string]bool{"sub/a.log": true, "sub/keep.log": false, "sub/x.txt": true, "sub/y.txt": true, "sub/deep/y.txt": false} {
		if got, _ := verdict(sets, path, false); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestIgnoreAgreesWithGit asks git itself, about the table and about random
// patterns and paths.
func TestIgnoreAgreesWithGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git to compare with")
	}
	type query struct{ file, path string }
	var queries []query
	for _, c := range ignoreCases {
		queries = append(queries, query{c.file, c.path})
	}
	// The seed is fixed: a difference is to be found again.
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(alphabet []string, n int) (s string) {
		for range 1 + rnd.IntN(n) {
			s += alphabet[rnd.IntN(len(alphabet))]
		}
		return s
	}
	for range 1500 {
		file := word([]string{"a", "b", "ab", "/", "/", "*", "**", "**/", "/**", "?", "[ab]", "[!a]", "[a-", "]", `\`, "!", " ", "\n", "\n!", "[^/]", "[[:alpha:]]", "-", "#"}, 7)
		path := strings.Trim(strings.Join(strings.FieldsFunc(word([]string{"a", "b", "ab", "/", "/", "c"}, 6), func(r rune) bool { return r == '/' }), "/"), "/")
		if path == "" {
			continue
		}
		if rnd.IntN(3) == 0 {
			path += "/"
		}
		queries = append(queries, query{file, path})
	}
	repo := t.TempDir()
	git := func(stdin string, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir = repo
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+repo)
		cmd.Stdin = strings.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if ee, ok := err.(*exec.ExitError); err != nil && (!ok || ee.ExitCode() != 1) { // 1: nothing is ignored
			t.Fatalf("git %q: %v: %s", args, err, stderr.Bytes())
		}
		return string(out)
	}
	git("", "init", "-q")
	// Each query gets a folder: its ignore file, and the path as a file or folder.
	var stdin strings.Builder
	for i, q := range queries {
		dir := filepath.Join(repo, fmt.Sprint("q", i))
		full := filepath.Join(dir, q.path)
		var err error
		if strings.HasSuffix(q.path, "/") {
			err = os.MkdirAll(full, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
			err = os.WriteFile(full, nil, 0o644)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(q.file), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&stdin, "q%d/%s\x00", i, strings.TrimSuffix(q.path, "/"))
	}
	out := map[string]bool{}
	for name := range strings.SplitSeq(git(stdin.String(), "check-ignore", "--no-index", "-z", "--stdin"), "\x00") {
		out[name] = true
	}
	if len(out) < len(queries)/20 || len(out) > len(queries)*19/20 {
		t.Errorf("of %d queries git ignores %d: they tell nothing", len(queries), len(out))
	}
	for i, q := range queries {
		want := out[fmt.Sprintf("q%d/%s", i, strings.TrimSuffix(q.path, "/"))]
		if got := left(q.file, q.path); got != want {
			t.Errorf("%q leaves out %q: %v, git says %v", q.file, q.path, got, want)
		}
	}
}

// A matcher that goes back and tries again would take longer than the universe
// has for these.
func TestAHostilePatternTakesNoLongerThanAnotherOne(t *testing.T) {
	rs := parseIgnore("", strings.Repeat("*a", 60)+"b\n"+strings.Repeat("**/", 60)+"b/c")
	began := time.Now()
	rs.decides(strings.Repeat("a", 255), false)
	rs.decides(strings.Repeat("a/", 500)+"b", false)
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func FuzzIgnore(f *testing.F) {
	for _, c := range ignoreCases {
		f.Add(c.file, c.path)
	}
	f.Add(strings.Repeat("[[:alpha:]-\\", 50), "a/\xff\x00")
	f.Fuzz(func(t *testing.T, file, path string) {
		rs := parseIgnore("", file)
		ignored, decided := rs.decides(path, false)
		if ignored && !decided {
			t.Fatal("left out without a rule that says so")
		}
		// A file that ends in a pattern for this very path decides about it.
		if path != "" && !strings.ContainsAny(path, "/\n\r \\*?[!#") {
			if ignored, decided := parseIgnore("", file+"\n"+path).decides(path, false); !ignored || !decided {
				t.Fatalf("%q is not left out by its own name", path)
			}
		}
	})
}
