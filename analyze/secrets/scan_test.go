package secrets

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/finding"
)

// Put together here, so that no scanner of this repository takes them for real.
var (
	awsKey   = "AKIA" + "QYLPMN5HHHFPZAM2"
	awsKey2  = "AKIA" + "Z7VRSQ5TJN2XKO4P"
	ghToken  = "ghp_" + "x9Kq2vT7LmN4pRs8WzYb3cD6fGh1jE5uA0Qo"
	password = "zR7kk2vQ9pLwXy81mT5e"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func scanDir(t *testing.T, opt Options) *analyze.Result {
	t.Helper()
	res, err := Scan(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// mustNotLeak fails if any of the secrets, or a telling part of one, is in the result as it is stored.
func mustNotLeak(t *testing.T, res *analyze.Result, secrets ...string) {
	t.Helper()
	body, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		for line := range strings.SplitSeq(s, "\n") {
			if len(line) < 8 || strings.HasPrefix(line, "-----") {
				continue
			}
			for i := 0; i+8 <= len(line); i++ {
				if strings.Contains(string(body), line[i:i+8]) {
					t.Fatalf("%q of a secret is in the result:\n%s", line[i:i+8], body)
				}
			}
		}
	}
}

func find(res *analyze.Result, rule, path string) *finding.Finding {
	for i, f := range res.Findings {
		if f.RuleID == rule && f.FilePath == path {
			return &res.Findings[i]
		}
	}
	return nil
}

func TestSecretsAreFoundAtTheirLinesAndShownNowhere(t *testing.T) {
	dir := t.TempDir()
	key := privateKey(t)
	encoded := base64.StdEncoding.EncodeToString([]byte("aws = " + awsKey2 + "\n"))
	write(t, dir, map[string]string{
		"app/settings.py": "import os\n\nAWS = \"" + awsKey + "\"\n",
		"both.txt":        "one " + awsKey + " two " + ghToken + " three\n",
		"deploy/id":       "# key\n" + key,
		"k8s/secret.yaml": "kind: Secret\ndata:\n  creds: " + encoded + "\n",
		"config.ini":      "[db]\nuser = app\ndb_password = \"" + password + "\"\n",
		"clean.py":        "print('hello')\n",
	})
	res := scanDir(t, Options{Dir: dir, NoRedact: true})
	mustNotLeak(t, res, awsKey, awsKey2, ghToken, key, password, encoded)

	for _, want := range []struct {
		rule, path string
		line       int
		severity   finding.Severity
	}{
		{"secret-aws-access-token", "app/settings.py", 3, finding.Critical},
		{"secret-aws-access-token", "both.txt", 1, finding.Critical},
		{"secret-github-pat", "both.txt", 1, finding.Critical},
		{"secret-private-key", "deploy/id", 2, finding.Critical},
		{"secret-aws-access-token", "k8s/secret.yaml", 3, finding.Critical},
		{"secret-generic-api-key", "config.ini", 3, finding.Medium},
	} {
		f := find(res, want.rule, want.path)
		if f == nil {
			t.Errorf("%s not found in %s; found %v", want.rule, want.path, res.Findings)
			continue
		}
		if f.LineStart != want.line || f.Severity != want.severity {
			t.Errorf("%s in %s: line %d, %s; want line %d, %s", want.rule, want.path, f.LineStart, f.Severity, want.line, want.severity)
		}
	}
	if f := find(res, "secret-aws-access-token", "app/settings.py"); f != nil && f.CodeSnippet != `AWS = "****"` {
		t.Errorf("snippet %q", f.CodeSnippet)
	}
	if f := find(res, "secret-private-key", "deploy/id"); f != nil && !strings.HasPrefix(f.CodeSnippet, "-----BEGIN PRIVATE KEY ****\n****\n") {
		t.Errorf("snippet %q", f.CodeSnippet)
	}
	for _, f := range res.Findings {
		if f.FilePath == "clean.py" {
			t.Error("something was found in a clean file")
		}
	}
	if !hasNote(res, "redact=false") {
		t.Error("redact=false was not answered by a note:", res.Notes)
	}
	if res.FilesScanned != 6 {
		t.Errorf("%d files scanned, want 6", res.FilesScanned)
	}
}

func hasNote(res *analyze.Result, part string) bool {
	for _, n := range res.Notes {
		if strings.Contains(n, part) {
			return true
		}
	}
	return false
}

func TestFingerprintsSurviveMovedLinesAndDoNotDependOnTheSecret(t *testing.T) {
	prints := func(body string) string {
		dir := t.TempDir()
		write(t, dir, map[string]string{"a.py": body})
		res := scanDir(t, Options{Dir: dir})
		if len(res.Findings) != 1 {
			t.Fatalf("%d findings in %q", len(res.Findings), body)
		}
		return res.Findings[0].Fingerprint
	}
	first := prints("KEY = '" + awsKey + "'\n")
	if moved := prints("# a\n\n    KEY = '" + awsKey + "'  # here\n"); moved != first {
		t.Error("moving the line changed the fingerprint")
	}
	if other := prints("KEY = '" + awsKey2 + "'\n"); other != first {
		t.Error("the fingerprint depends on the secret itself")
	}
	if renamed := prints("OTHER = '" + awsKey + "'\n"); renamed == first {
		t.Error("another name has the same fingerprint")
	}
}

func TestMarksOfTheProjectAreHonouredAndCounted(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.py":            "A = '" + awsKey + "'  # gitleaks:allow\n",
		"b.py":            "\nB = '" + awsKey2 + "'\n",
		"c.py":            "C = '" + ghToken + "'\n",
		".gitleaksignore": "# known\nb.py:aws-access-token:2\n",
		".gitleaks.toml":  "[allowlist]\npaths = ['.*']\n",
	})
	res := scanDir(t, Options{Dir: dir})
	if len(res.Findings) != 1 || res.Findings[0].FilePath != "c.py" {
		t.Errorf("findings: %v", res.Findings)
	}
	if res.Suppressed != 2 {
		t.Errorf("%d suppressed, want 2", res.Suppressed)
	}
	if !hasNote(res, ".gitleaks.toml was not applied") {
		t.Error("the project's own rules were not mentioned:", res.Notes)
	}
}

func TestLinksFIFOsBinariesAndOtherEncodings(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, map[string]string{"secret.txt": ghToken})
	var utf16le []byte
	utf16le = append(utf16le, 0xff, 0xfe)
	for _, u := range utf16.Encode([]rune("key " + awsKey + "\r\n")) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	write(t, dir, map[string]string{
		"windows.txt": string(utf16le),
		"blob.dat":    "\x00\x01" + awsKey2,
	})
	if err := os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "linkdir")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	res := scanDir(t, Options{Dir: dir})
	if len(res.Findings) != 1 || res.Findings[0].FilePath != "windows.txt" {
		t.Errorf("findings: %v", res.Findings)
	}
	want := map[string]int{analyze.SkipLink: 2, analyze.SkipSpecial: 1, analyze.SkipBinary: 1}
	for reason, n := range want {
		if res.FilesSkipped[reason] != n {
			t.Errorf("%s: %d, want %d", reason, res.FilesSkipped[reason], n)
		}
	}
}

func TestSecretsInALargeFileAreFoundOnceAtTheRightLine(t *testing.T) {
	dir := t.TempDir()
	filler := strings.Repeat("nothing to see here, just a line of text\n", 3*chunkBytes/41)
	lines := strings.Split(filler, "\n")
	at := []int{10, chunkBytes/41 - 2, chunkBytes/41 + 3, 2 * chunkBytes / 41, len(lines) - 5}
	for _, i := range at {
		lines[i] = "key = " + ghToken
	}
	write(t, dir, map[string]string{"big.txt": strings.Join(lines, "\n")})
	res := scanDir(t, Options{Dir: dir})
	var got []int
	for _, f := range res.Findings {
		got = append(got, f.LineStart-1)
	}
	if len(got) != len(at) {
		t.Fatalf("lines %v, want %v", got, at)
	}
	for i := range at {
		if got[i] != at[i] {
			t.Errorf("lines %v, want %v", got, at)
			break
		}
	}
}

// A dump of keys on one line: cleaning the line once for each of them took minutes for 40 KB.
func TestAListOfKeysIsBoundedAndShownNowhere(t *testing.T) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var keys []string
	for i := range 1000 {
		key := []byte(awsKey)
		for j, n := 8, uint32(i*7919+12345); j < len(key); j, n = j+1, n*1664525+1013904223 {
			key[j] = digits[n>>27]
		}
		keys = append(keys, string(key))
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"keys.txt": strings.Join(keys, " "), "one.txt": "key = " + awsKey2})
	res := scanDir(t, Options{Dir: dir})
	if len(res.Findings) != finding.MaxPerRuleAndFile+1 || find(res, "secret-aws-access-token", "one.txt") == nil {
		t.Errorf("%d findings", len(res.Findings))
	}
	if res.Truncated < 500 {
		t.Errorf("%d of 1000 keys counted as left out", res.Truncated)
	}
	body, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if strings.Contains(string(body), k[8:]) {
			t.Fatalf("%q is in the result", k)
		}
	}
}

func TestCancellationEndsAScanWithinASecond(t *testing.T) {
	dir := t.TempDir()
	body := strings.Repeat("password = some_words_that_cost_time secret token key api aws\n", 200_000)
	write(t, dir, map[string]string{"a.txt": body, "b.txt": body, "c.txt": body})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	_, err := Scan(ctx, Options{Dir: dir})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want cancellation", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestProgressGrowsToTheNumberOfFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "x", "b": "y", "c/d": "z"})
	var last, total int
	scanDir(t, Options{Dir: dir, Progress: func(done, of int) {
		if done != last+1 {
			t.Errorf("progress went from %d to %d", last, done)
		}
		last, total = done, of
	}})
	if last != 3 || total != 3 {
		t.Errorf("ended at %d of %d", last, total)
	}
}

func TestWrongInputIsRefusedByKind(t *testing.T) {
	for name, opt := range map[string]Options{
		"an unknown scan_mode":          {Dir: t.TempDir(), Mode: "everything"},
		"a directory that is not there": {Dir: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := Scan(t.Context(), opt); cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
