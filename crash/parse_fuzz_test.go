package crash

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/finding"
)

func FuzzParse(f *testing.F) {
	for _, name := range allLogs(f) {
		log := readLog(f, name)
		if len(log) > 6000 {
			log = log[:6000] // mutants of long logs are slow to make and no better
		}
		f.Add(engineOf(name), log)
	}
	f.Add("libfuzzer", "==1==ERROR: AddressSanitizer: \x1b[31mx on address\n    #0 0x1 in <<<<a as b>::c \xff\u202e /x:99999999999999999999:1\n")
	f.Fuzz(func(t *testing.T, engine, log string) {
		r := Parse(engine, log, "/build/wire")
		if len(r.Frames) > maxFrames || len(r.Other) > maxFrames || len(r.Detail) > maxDetail || len(r.Type) > maxType {
			t.Errorf("over its bounds: %d frames, %d bytes of detail, type of %d", len(r.Frames), len(r.Detail), len(r.Type))
		}
		texts := []string{r.Type, r.Title, r.Detail}
		for _, fr := range r.Frames {
			texts = append(texts, fr.Func, fr.File, fr.Module)
			if fr.Line < 0 {
				t.Errorf("line %d", fr.Line)
			}
		}
		for _, s := range texts {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && c != '\t' && unicode.IsControl(c) }) {
				t.Errorf("not safe to print: %q", s)
			}
		}
		if r.Type == "" || strings.ContainsAny(r.Type, "/ \n") || r.Title == "" || strings.Contains(r.Title, "\n") {
			t.Errorf("type %q, title %q", r.Type, r.Title)
		}
		a := Signature("l", "h", r, "aa")
		if !IsSignature(a) || a != Signature("l", "h", Parse(engine, log, "/build/wire"), "aa") {
			t.Errorf("signature %s", a)
		}
	})
}

func FuzzRecords(f *testing.F) {
	in, err := json.Marshal(inputOf(someCrash(f, "boom")))
	if err != nil {
		f.Fatal(err)
	}
	bug, err := json.Marshal(bugOf(inputOf(someCrash(f, "boom"))))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(in, bug)
	f.Add([]byte(`{"version":1}`), []byte("null"))
	f.Fuzz(func(t *testing.T, record, first []byte) {
		var in Input
		if decode(record, &in) != nil {
			return
		}
		at := keyOf(in.Lineage, in.Signature)
		if _, err := in.check(at, at+"/"+inputsDir+"/"+in.SHA256+recordExt); err != nil {
			return
		}
		var bug *Bug
		var read Bug
		if decode(first, &read) == nil {
			if _, err := read.check(at); err == nil {
				bug = &read
			}
		}
		b, ok := assemble(bug, []Input{in}, nil)
		if !ok || b.Best().SHA256 != in.SHA256 || b.Count != 1 {
			t.Errorf("%+v", b)
		}
		var sarif bytes.Buffer
		if err := finding.WriteSARIF(&sarif, finding.SARIFRun{Findings: []finding.Finding{b.Finding()}}); err != nil {
			t.Error(err)
		}
	})
}

func TestALogWithoutEndIsReadToABound(t *testing.T) {
	log := readLog(t, "asan-heap-overflow-read")
	big := strings.Repeat("#1 NEW cov: 1\n", 1<<18) + log
	if got := Parse("libfuzzer", big, "/build/wire"); got.Type != "heap-buffer-overflow-read" {
		t.Errorf("a report behind %d bytes: %s", len(big)-len(log), got.Type)
	}
	if got := Parse("libfuzzer", log+strings.Repeat("more talk\n", 1<<19), "/build/wire"); got.Type != "heap-buffer-overflow-read" {
		t.Errorf("a report before much talk: %s", got.Type)
	}
	line := strings.Repeat("(<", 1<<19)
	if got := Parse("libfuzzer", "    #0 0x1 in "+line); got.Type != "unknown" {
		t.Errorf("one endless line: %s", got.Type)
	}
}

// BenchmarkHostileLog is the time that logs take which are made to take long.
func BenchmarkHostileLog(b *testing.B) {
	head := "==1==ERROR: AddressSanitizer: x on address 0x1\n"
	for name, log := range map[string]string{
		"nested types":  head + strings.Repeat("    #1 0x1 in "+strings.Repeat("<", 4000)+"a::b"+strings.Repeat(">", 4000)+"\n", 200),
		"colons":        head + strings.Repeat("    #1 0x1 in "+strings.Repeat(":", 8000)+"\n", 200),
		"operators":     head + strings.Repeat("    #1 0x1 in "+strings.Repeat("operator<(", 800)+"\n", 200),
		"many frames":   head + strings.Repeat("    #1 0x1 in a /b:1\n", 1<<16),
		"goroutines":    "panic: x\n" + strings.Repeat("goroutine 1 [running]:\n", 1<<16),
		"panics":        strings.Repeat("panic: x\n", 1<<17),
		"tracebacks":    strings.Repeat("Traceback (most recent call last):\n  File \"x\", line 1, in y\n", 1<<14),
		"empty lines":   strings.Repeat("\n", 1<<20),
		"quoted panics": strings.Repeat("thread 'x' panicked at '"+strings.Repeat("', ", 2000)+"\n", 200),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Parse("libfuzzer", log)
			}
		})
	}
}
