package code

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// hide is a scrubber that knows one word.
type hide string

func (h hide) Scrub(s string) string { return strings.ReplaceAll(s, string(h), "****") }

func scanFiles(t *testing.T, files map[string]string) *analyze.Result {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	res, err := Scan(t.Context(), Options{Dir: dir, Scrubber: hide("sesame")})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestAFindingSaysWhereAndWhatWithoutSecrets(t *testing.T) {
	res := scanFiles(t, map[string]string{
		"app/run.py": "import os\n\nos.system(\n    'echo sesame ' +\n    name)\n",
		"app/key.py": "import jwt\njwt.encode(p, 'opensaysme', algorithm='HS256')\n",
	})
	if len(res.Findings) != 2 {
		t.Fatalf("findings %+v", res.Findings)
	}
	for _, f := range res.Findings {
		switch f.RuleID {
		case "py-os-system":
			if f.FilePath != "app/run.py" || f.LineStart != 3 || f.LineEnd != 5 || f.Severity != finding.High || f.CodeSnippet != "os.system(\n    'echo **** ' +\n    name)" || f.Metadata["cwe"] != "CWE-78" {
				t.Errorf("%+v", f)
			}
		case "py-hardcoded-flask-secret":
			if f.LineStart != 2 || !strings.HasPrefix(f.CodeSnippet, "jwt.encode(p, '****") {
				t.Errorf("%+v", f)
			}
		default:
			t.Errorf("%+v", f)
		}
	}
	body, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"sesame", "opensaysme"} {
		if strings.Contains(string(body), secret) {
			t.Errorf("%s is in the result", secret)
		}
	}
}

func TestWhatIsLeftOutIsCountedAndSaid(t *testing.T) {
	res := scanFiles(t, map[string]string{
		"node_modules/x/i.js": "eval(x)", "vendor/a.php": "<?php eval($x);", "web/app.min.js": "eval(x)", "web/bundle.js": strings.Repeat("a=1;", 2000) + "eval(x)",
		"bin.py": "\x00eval(x)", "big.py": "eval(x)\n" + strings.Repeat("# filler filler filler filler\n", maxFileBytes/30+1),
		"ok.py": "x = eval(y)  # nosec\nz = eval(y)  # cordon:ignore py-eval\n", "notes.txt": "eval(x)",
	})
	if len(res.Findings) != 0 || res.Suppressed != 2 || res.FilesScanned != 1 {
		t.Errorf("%+v", res)
	}
	for reason, n := range map[string]int{analyze.SkipVendored: 2, analyze.SkipMinified: 2, analyze.SkipBinary: 1, analyze.SkipTooLarge: 1} {
		if res.FilesSkipped[reason] != n {
			t.Errorf("%s: %d, want %d", reason, res.FilesSkipped[reason], n)
		}
	}
	if len(res.Notes) != 2 {
		t.Errorf("notes %v", res.Notes)
	}
}

func TestFindingsInTestsAreLessSevere(t *testing.T) {
	res := scanFiles(t, map[string]string{"a.py": "eval(x)", "tests/a.py": "eval(x)", "web/a.test.ts": "eval(x)", "latest.py": "eval(x)"})
	got := make(map[string]finding.Severity)
	for _, f := range res.Findings {
		got[f.FilePath] = f.Severity
	}
	for p, want := range map[string]finding.Severity{"a.py": finding.High, "tests/a.py": finding.Medium, "web/a.test.ts": finding.Medium, "latest.py": finding.High} {
		if got[p] != want {
			t.Errorf("%s: %s, want %s", p, got[p], want)
		}
	}
}

func TestFingerprintsSurviveFormatting(t *testing.T) {
	print := func(body string) string {
		res := scanFiles(t, map[string]string{"a.py": body})
		if len(res.Findings) != 1 {
			t.Fatalf("%q: %+v", body, res.Findings)
		}
		return res.Findings[0].Fingerprint
	}
	first := print("import os\nos.system('a' + x)\n")
	if print("import os\n\n# more\nif y:\n    os.system(\n        'b'  +  x)\n") != first {
		t.Error("moving, wrapping and another literal changed the fingerprint")
	}
	if print("import os\nos.system('a' + z)\n") == first {
		t.Error("other code has the same fingerprint")
	}
}

func TestOneLineIsReportedOncePerWeaknessByTheWorstRule(t *testing.T) {
	res := scanFiles(t, map[string]string{"a.py": "import pickle\nfrom flask import request\npickle.loads(request.data)\n"})
	if len(res.Findings) != 1 || res.Findings[0].Severity != finding.Critical {
		t.Errorf("%+v", res.Findings)
	}
}

func TestWrongOptionsAreErrors(t *testing.T) {
	if _, err := Scan(t.Context(), Options{Dir: t.TempDir()}); err == nil {
		t.Error("a scan without a scrubber runs")
	}
	if _, err := Scan(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "none"), Scrubber: hide("x")}); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Error(err)
	}
}
