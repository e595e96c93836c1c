package source

import (
	"bytes"
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
