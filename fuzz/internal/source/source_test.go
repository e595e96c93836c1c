package source

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
)

func TestDefines(t *testing.T) {
	for text, line := range map[string]int{
		"int f(int a) { return a; }":                                    1,
		"extern \"C\"\nint f(const unsigned char *d, int (*g)(int))\n{": 2,
		"int f(void) noexcept {":                                        1,
		"int f(int);":                                                   0,
		"int main(void) { if (f(1)) { return f(2); } }":                 0,
		"int g(void) { return f(1); }":                                  0,
		"// int f(int a) {\n":                                           0,
		"// joined \\\nint f(int a) {\n":                                0,
		"/* int f(int a) { */ int f(int a) {":                           1,
		"char *s = \"int f(int a) {\";":                                 0,
		"char *s = \"\\\"\"; int f(int a) {":                            1,
		"auto s = R\"x(int f(int a) {)\")x\";\nint f(int a) {":          2,
		"int n = 1'000; int f(int a) {":                                 1,
		"#if 0\nint f(int a) {}\n#endif\n":                              0,
		"#if 0\n#ifdef X\n#else\n#endif\nint f(int a) {}\n#else\nint f(int a) {}\n#endif": 7,
		"#ifdef X\nint f(int a) {}\n#endif\n":                                             2,
		"int off(int a) {":                                                                0,
		"int f2(int a) {":                                                                 0,
		"int f":                                                                           0,
		"int f(":                                                                          0,
	} {
		got := 0
		if at := Defines(Bare([]byte(text)), "f"); at >= 0 {
			got = Line([]byte(text), at)
		}
		if got != line {
			t.Errorf("%q: line %d, want %d", text, got, line)
		}
	}
}

func FuzzBare(f *testing.F) {
	f.Add([]byte("R\"(a)\" /* */ // \\\n#if 0\n'\\'' \"\n#endif"))
	f.Add([]byte("f(((){"))
	f.Fuzz(func(t *testing.T, text []byte) {
		bare := Bare(text)
		if len(bare) != len(text) || bytes.Count(bare, []byte("\n")) != bytes.Count(text, []byte("\n")) {
			t.Fatalf("%q became %q", text, bare)
		}
		if at := Defines(bare, "f"); at >= 0 && text[at] != 'f' {
			t.Fatalf("%q: defined at %d", text, at)
		}
	})
}

func TestName(t *testing.T) {
	var hs []fuzz.Harness
	for _, f := range []string{"one.c", "a/two.c", "b/two.c", "c/three.c", "c/three.cc", "a-b/c.c", "a/b-c.c", "c.c"} {
		hs = append(hs, fuzz.Harness{File: f})
	}
	want := map[string]string{
		"one.c": "one", "a/two.c": "a-two", "b/two.c": "b-two", "c/three.c": "c-three.c", "c/three.cc": "c-three.cc",
		"a-b/c.c": "a-b-c", "a/b-c.c": "b-c", "c.c": "c",
	}
	for _, h := range Name(hs) {
		if h.Name != want[h.File] {
			t.Errorf("%s is named %q, want %q", h.File, h.Name, want[h.File])
		}
	}
}

func TestBarePython(t *testing.T) {
	for text, want := range map[string]bool{
		"def T(x):\n":                            true,
		"# def T(x):\n":                          false,
		"'def T(x):'\n":                          false,
		"\"\"\"\ndef T(x):\n\"\"\"\n":            false,
		"'''\\'''\ndef T(x):\n'''\n":             false,
		"s = 'it\\'s'\ndef T(x):\n":              true,
		"s = \"'''\"\ndef T(x):\n":               true,
		"s = '# no comment'; n = 1\ndef T(x):\n": true,
		"s = 'never closed\ndef T(x):\n":         true,
		"'''never closed\ndef T(x):\n":           false,
		"s = r'\\'\n'''\ndef T(x):\n":            false,
		"f'''{x}'''\ndef T(x):\n":                true,
	} {
		if got := bytes.Contains(BarePython([]byte(text)), []byte("def T(x):")); got != want {
			t.Errorf("%q: it is there: %v", text, got)
		}
	}
}

func TestBareRust(t *testing.T) {
	for text, want := range map[string]bool{
		"fuzz!(|d| {})":                         true,
		"// fuzz!(|d| {})":                      false,
		"/* /* */ fuzz!(|d| {}) */":             false,
		"/* /* */ */ fuzz!(|d| {})":             true,
		"let s = \"fuzz!(|d| {})\";":            false,
		"let s = \"\nfuzz!(|d| {})\";":          false,
		"let s = r#\"\" fuzz!(|d| {})\"#;":      false,
		"let s = br\"\\\"; fuzz!(|d| {})":       true,
		"let c = '\"'; fuzz!(|d| {})":           true,
		"let c = '\\''; fuzz!(|d| {})":          true,
		"fn f<'a>(x: &'a str) {} fuzz!(|d| {})": true,
		"let r#fn = 1; fuzz!(|d| {})":           true,
		"let c = 'é'; fuzz!(|d| {})":            true,
	} {
		if got := bytes.Contains(BareRust([]byte(text)), []byte("fuzz!(|d| {})")); got != want {
			t.Errorf("%q: it is there: %v", text, got)
		}
	}
}

func FuzzBareOthers(f *testing.F) {
	f.Add([]byte("'''\\'\"#\nr#\"\"#/*//*/'a'\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, bare := range [][]byte{BarePython(text), BareRust(text)} {
			if len(bare) != len(text) || bytes.Count(bare, []byte("\n")) != bytes.Count(text, []byte("\n")) {
				t.Fatalf("%q became %q", text, bare)
			}
		}
	})
}

// What is no source of the project's own is not read.
func TestEach(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"a.c", "b/c.c", ".hidden/d.c", "node_modules/e.c", "f.txt"} {
		file := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "big.c"), make([]byte, MaxFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := Each(t.Context(), dir, []string{".c"}, func(f File) {
		got = append(got, f.Path)
		if string(f.Text) != f.Path {
			t.Errorf("%s has %q", f.Path, f.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{"a.c", "b/c.c"}) {
		t.Errorf("it read %q", got)
	}
}
