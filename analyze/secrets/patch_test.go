package secrets

import (
	"strings"
	"testing"
)

const id = "0123456789012345678901234567890123456789"

func TestReadLogFollowsTheCountsOfHunksAndNotTheLooksOfLines(t *testing.T) {
	log := commitLine + id + " 2026-01-02T03:04:05+00:00\n\n" +
		"diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -3,1 +5,3 @@ f()\n-gone\n" +
		"+one\n++++ b/evil\n+@@ -1 +1 @@\n" +
		"@@ -9,0 +20 @@\n+four\n\\ No newline at end of file\n" +
		"diff --git \"a/t\\303\\244\\tb\" \"b/t\\303\\244\\tb\"\n--- /dev/null\n+++ \"b/t\\303\\244\\tb\"\n@@ -0,0 +1 @@\n+five\n" +
		"diff --git a/gone b/gone\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
	var got []hunk
	n, err := readLog(strings.NewReader(log), func(h hunk) error {
		got = append(got, h)
		return nil
	})
	if err != nil || n != 1 {
		t.Fatalf("%d commits, error %v", n, err)
	}
	want := []hunk{
		{id, "2026-01-02T03:04:05+00:00", "x", 5, "one\n+++ b/evil\n@@ -1 +1 @@\n"},
		{id, "2026-01-02T03:04:05+00:00", "x", 20, "four\n"},
		{id, "2026-01-02T03:04:05+00:00", "tä\tb", 1, "five\n"},
	}
	if len(got) != len(want) {
		t.Fatalf("hunks %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("hunk %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(commitLine + id + " d\ndiff --git a/x b/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+a\n+b\n")
	f.Add("@@ -1 +9999999999999999999,99999999 @@\n+x\n")
	f.Add("+++ \"b/\\3\\\n@@ @@\n")
	f.Fuzz(func(t *testing.T, log string) {
		total := 0
		_, _ = readLog(strings.NewReader(log), func(h hunk) error { // whatever it says of garbage, it must end and stay small
			total += len(h.text)
			if h.line < 0 {
				t.Errorf("line %d", h.line)
			}
			return nil
		})
		if total > 2*len(log)+2 {
			t.Errorf("%d bytes out of %d", total, len(log))
		}
	})
}
