package code

import (
	"strings"
	"testing"
)

// render shows tokens with strings as <text>, and interpolations as {…} behind them.
func render(toks []token) string {
	var out []string
	for _, t := range toks {
		s := t.text
		if t.kind == str {
			s = string(t.quote) + "<" + t.text + ">"
			for _, in := range t.inner {
				s += "{" + render(in) + "}"
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestCodeIsToldFromCommentsAndStrings(t *testing.T) {
	for _, c := range []struct {
		name string
		d    dialect
		in   string
		want string
	}{
		{"Python comments and quotes", pythonDialect, "a = 'x#y' # 'no'\nb", "a = '<x#y> b"},
		{"Python triple quotes over lines", pythonDialect, "s = '''it's\n# \"here\" '''\nf()", "s = '<it's\n# \"here\" > f ( )"},
		{"Python f-strings", pythonDialect, `f"a{b.c(1)!r:>{w}}{{x}}"`, `"<a{x}>{b . c ( 1 )}`},
		{"Python quotes in fields", pythonDialect, `f"{d['k']}"`, `"<>{d [ '<k> ]}`},
		{"Python raw and bytes", pythonDialect, `rb'\'' + u"x"`, `'<\'> + "<x>`},
		{"Python continued lines", pythonDialect, "a + \\\n  b", "a + b"},
		{"a quote that nothing closes", pythonDialect, "it's\nf()", "it ' s f ( )"},
		{"JavaScript templates, nested", jsDialect, "`a${b + `c${d}`}e`", "`<ae>{b + `<c>{d}}"},
		{"JavaScript braces in interpolations", jsDialect, "`${ {a:1}.b }`x", "`<>{{ a : 1 } . b} x"},
		{"JavaScript expressions and divisions", jsDialect, "a = /[/'\"]/g; b = c / d / e", "a = /<[/'\"]> ; b = c / d / e"},
		{"JavaScript comments", jsDialect, "#!/bin/node\n// 'x\na /* ` */ b", "a b"},
		{"JSX text with an apostrophe", jsDialect, "<p>Don't</p>; f('x')", "< p > Don ' t < / p > ; f ( '<x> )"},
		{"Java text blocks and characters", javaDialect, "String s = \"\"\"\n \"a\" \"\"\"; char c = '\"';", "String s = \"<\n \"a\" > ; char c = '<\"> ;"},
		{"PHP in a page", phpDialect, "don't <?php $a = 'x'; // c ?> <b> <?= $b ?> it's", "$a = '<x> ; ; echo $b ;"},
		{"PHP interpolation", phpDialect, "<?php \"a $b[0] {$c->d} \\$e ${f}\"", "\"<a   \\$e >{$b}{$c -> d}{$f}"},
		{"PHP heredocs", phpDialect, "<?php $s = <<<EOT\nx $y 'z\nEOT;\n$t = <<<'E'\n$no\nE;", "$s = h<x  'z\n>{$y} ; $t = h<$no\n> ;"},
		{"Ruby interpolation and symbols", rubyDialect, "\"a#{b['c']}d\" + :e # x", "\"<ad>{b [ '<c> ]} + : e"},
		{"Ruby percent literals", rubyDialect, "%w(a (b) c); x = %q{it's}; y = 7 % 3", "\"<a (b) c> ; x = \"<it's> ; y = 7 % 3"},
		{"Ruby heredocs", rubyDialect, "f(<<~A, <<-'B')\n  x #{y}\nA\n  #{no}\n  B\nz", "f ( h<  x \n>{y} , h<  #{no}\n> ) z"},
		{"Ruby shifts", rubyDialect, "a <<b\nc << D", "a << b c << D"},
		{"Ruby comments", rubyDialect, "=begin\n'x\n=end\na\n__END__\n'", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parse(c.d, c.in)
			if got := render(s.toks); got != c.want {
				t.Errorf("%q\n got %q\nwant %q", c.in, got, c.want)
			}
			if len(s.blanked) != len(c.in) || strings.Count(s.blanked, "\n") != strings.Count(c.in, "\n") {
				t.Errorf("blanked text has another shape: %q", s.blanked)
			}
		})
	}
}

// Each of these took a lexer or a matcher quadratic or exponential time at some point.
func TestHostileFilesTakeLinearTime(t *testing.T) {
	const n = 10_000
	for name, text := range map[string]string{
		"open interpolations":     strings.Repeat("`${", n),
		"open Ruby strings":       strings.Repeat("\"#{", n),
		"open fields":             strings.Repeat("f'{", n),
		"single quotes in a line": strings.Repeat("'\\", n),
		"open expressions":        strings.Repeat("/[", n),
		"heredocs without end":    manyHeredocs(n / 4),
		"percent literals":        strings.Repeat("x %q(", n),
		"open brackets":           strings.Repeat("os.system(", n),
		"closed brackets":         strings.Repeat("eval(", n/4) + strings.Repeat(")", n/4),
		"a long chain":            "x" + strings.Repeat(".execute(a)", n),
		"a long sum":              "q = 'SELECT a FROM b '" + strings.Repeat(" + x", n),
		"many strings":            strings.Repeat("'SELECT a FROM b WHERE ' + x\n", n/8),
		"variables of variables":  variables(2000),
		"one line of commas":      strings.Repeat("a,", n),
		"PHP tags":                strings.Repeat("<? ?>", n),
		"sources in sources":      strings.Repeat("res.send(", n) + strings.Repeat(")\n", n),
		"options in options":      strings.Repeat("yaml.load(x, ", n) + strings.Repeat(")\n", n),
		"commands without end":    strings.Repeat("system a, b,\n", n),
		"text upon text":          "q = (" + strings.Repeat("'"+strings.Repeat("a", 300)+"' +\n", n/8) + "'')\n" + strings.Repeat("cur.execute(q)\n", n/8),
		"NUL and rubbish":         strings.Repeat("\x00\xff(", n),
	} {
		t.Run(name, func(t *testing.T) {
			for lang, d := range dialects {
				prefix := ""
				if d == phpDialect {
					prefix = "<?php "
				}
				scan(lang, prefix+text) // the test's own time limit is the check, and the suite is to take seconds
			}
		})
	}
}

func manyHeredocs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("x = <<A" + strings.Repeat("b", i%7) + string(rune('a'+i%26)) + "\n")
	}
	return b.String()
}

func variables(n int) string {
	var b strings.Builder
	b.WriteString("$a0 = $_GET\n")
	for range n {
		b.WriteString("a = a + a + a\n$a = $a . $a . $a;\n")
	}
	return b.String() + "eval(a); eval($a); cur.execute('SELECT ' + a)\n"
}

func FuzzScan(f *testing.F) {
	for _, set := range Rules() {
		for _, r := range set.Rules {
			f.Add(r.Bad[0])
			f.Add(r.Good[0])
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for lang := range dialects {
			hits, src, _ := scan(lang, text)
			for _, h := range hits {
				if h.from < 0 || h.to > len(text) || h.from > h.to {
					t.Fatalf("%s: %s at %d to %d of %d", lang, h.rule.ID, h.from, h.to, len(text))
				}
			}
			if src != nil && len(src.blanked) != len(text) {
				t.Fatalf("%s: blanked text has %d bytes of %d", lang, len(src.blanked), len(text))
			}
		}
	})
}
