package libfuzz

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// crashed is what libFuzzer says around a crash, shortened.
const crashed = `INFO: Running with entropic power schedule (0xFF, 100).
INFO: Seed: 3530878629
#2	INITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb
#3461	NEW    cov: 8 ft: 9 corp: 3/9b lim: 33 exec/s: 0 rss: 30Mb L: 4/4 MS: 2 ChangeByte-CMP- DE: "corp: 99/1b"-
#5804	REDUCE cov: 8 ft: 9 corp: 3/8b lim: 53 exec/s: 1200 rss: 42Mb L: 8/8 MS: 1 EraseBytes-
said by the target
=================================================================
==16693==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x6020003fa395
    #0 0x55d62a065b77 in planted /w/h.c:5:126
SUMMARY: AddressSanitizer: heap-buffer-overflow /w/h.c:5:126 in planted
==16693==ABORTING
MS: 1 InsertByte-; base unit: 1ac6a6ea79a6010b8e4a45bd9b45b96b41270bc2
0x42,0x55,0x47,0xa,0xa,
BUG\012\012
artifact_prefix='art/'; Test unit written to art/crash-45b1f7569022caac0eda4ffa06610b989038a0d3
Base64: QlVHCgo=
stat::number_of_executed_units: 5900
stat::peak_rss_mb:              44
`

func read(text string) *output {
	o := newOutput()
	for chunk := range strings.SplitSeq(text, "o") { // pieces that are no lines
		_, _ = o.Write([]byte(chunk)) // it never fails
		_, _ = o.Write([]byte("o"))
	}
	o.end()
	return o
}

func TestOutput(t *testing.T) {
	o := read(crashed)
	s := o.stats()
	if s.Executions != 5900 || s.Coverage != 8 || s.Corpus != 3 || s.PerSecond != 1200 || s.MemoryMB != 42 || s.LastNew.IsZero() {
		t.Errorf("stats: %+v", s)
	}
	if got := o.artifacts(); !reflect.DeepEqual(got, []string{"crash-45b1f7569022caac0eda4ffa06610b989038a0d3"}) {
		t.Errorf("artifacts: %q", got)
	}
	want := `==16693==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x6020003fa395
    #0 0x55d62a065b77 in planted /w/h.c:5:126
SUMMARY: AddressSanitizer: heap-buffer-overflow /w/h.c:5:126 in planted
==16693==ABORTING`
	if got := o.log(); !strings.HasPrefix(got, want) || strings.Contains(got, "BUG") || strings.Contains(got, "Base64") {
		t.Errorf("log:\n%s", got)
	}
}

func TestReports(t *testing.T) {
	for name, c := range map[string]struct{ said, begins, has, hasNot string }{
		"what is undefined, and did not end it": {
			"/w/h.c:5:1: runtime error: signed integer overflow\n#8\tNEW    cov: 3 ft: 4 corp: 1/1b\n", "", "", "",
		},
		"what is undefined, and ended it": {
			"/w/h.c:5:1: runtime error: signed integer overflow\n    #0 0x1 in f\nSUMMARY: UndefinedBehaviorSanitizer: x\n==9== ERROR: libFuzzer: deadly signal\n",
			"/w/h.c:5:1: runtime error", "deadly signal", "",
		},
		"a panic of Rust": {
			"noise\n\nthread '<unnamed>' (77) panicked at src/lib.rs:5:9:\nindex out of bounds\nstack backtrace:\n==9== ERROR: libFuzzer: deadly signal\n",
			"thread '<unnamed>'", "deadly signal", "noise",
		},
		"an exception of Python": {
			"noise\n\n === Uncaught Python exception: ===\nValueError: no\nTraceback (most recent call last):\n==9== ERROR: libFuzzer: fuzz target exited\n",
			"=== Uncaught Python exception: ===", "Traceback", "noise",
		},
		"an assertion": {
			"h: h.c:5: f: Assertion `x' failed.\n==9== ERROR: libFuzzer: deadly signal\n", "h: h.c:5", "deadly signal", "",
		},
		"a hang, whose stack follows the input": {
			"ALARM: working on the last Unit for 4 seconds\nMS: 0 ; base unit: 0\n0xa,\n\\012\nartifact_prefix='./'; Test unit written to ./timeout-adc83b19e793491b1c6ea0fd8b46cd9f32e592fc\nBase64: Cg==\n==9== ERROR: libFuzzer: timeout after 4 seconds\n    #0 0x1 in f\nSUMMARY: libFuzzer: timeout\n",
			"ALARM", "#0 0x1 in f", "Base64",
		},
		"a line about the input, without the input": {
			"MS: 0 ; base unit: 0\n==9==ERROR: AddressSanitizer: x\n", "==9==ERROR", "", "MS:",
		},
		"bytes that are no text": {"==9==ERROR: AddressSanitizer: \xff\xfe\n", "==9==ERROR: AddressSanitizer: \uFFFD", "", "\xff"},
	} {
		got := read(c.said).log()
		if !strings.HasPrefix(got, c.begins) || !strings.Contains(got, c.has) || c.hasNot != "" && strings.Contains(got, c.hasNot) || c.begins == "" && got != "" {
			t.Errorf("%s: the report is\n%s", name, got)
		}
	}
}

// Whatever a program says, only so much of it is kept.
func TestOutputIsBounded(t *testing.T) {
	o := newOutput()
	piece := []byte(strings.Repeat("x", 1<<20))
	for range 20 {
		_, _ = o.Write(piece)
	}
	if cap(o.line) > 4*maxLine {
		t.Errorf("%d bytes of a line are kept", cap(o.line))
	}
	_, _ = o.Write([]byte("\n==1==ERROR: AddressSanitizer: first\n"))
	line := []byte(strings.Repeat("y", 1000) + "\n")
	for range 5000 {
		_, _ = o.Write(line)
	}
	_, _ = o.Write([]byte("SUMMARY: last\n"))
	for range 1000 {
		_, _ = o.Write([]byte("Test unit written to crash-45b1f7569022caac0eda4ffa06610b989038a0d3\n"))
	}
	o.end()
	log := o.log()
	if len(log) > maxHead+maxTail+100 || !strings.Contains(log, "first") || !strings.Contains(log, "SUMMARY: last") {
		t.Errorf("the report has %d bytes: %.100q … %q", len(log), log, log[len(log)-100:])
	}
	if n := len(o.artifacts()); n > maxInputs {
		t.Errorf("%d inputs", n)
	}
}

// Between two lines the executions are reckoned, up to where the next line is due.
func TestReckoning(t *testing.T) {
	o := newOutput()
	at := time.Unix(1000, 0)
	o.now = func() time.Time { return at }
	_, _ = o.Write([]byte("#1024\tpulse  cov: 3 ft: 4 corp: 1/1b exec/s: 100 rss: 30Mb\n"))
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{{0, 1024}, {time.Second, 1124}, {time.Hour, 2048}} {
		at = time.Unix(1000, 0).Add(c.after)
		if got := o.stats().Executions; got != c.want {
			t.Errorf("after %v: %d, want %d", c.after, got, c.want)
		}
	}
	_, _ = o.Write([]byte("stat::number_of_executed_units: 1200\n"))
	if got := o.stats().Executions; got != 1200 {
		t.Errorf("at the end: %d", got)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte(crashed))
	f.Add([]byte("#99999999999999999999\tNEW cov: -1 corp: / exec/s: rss: Mb\n#9223372036854775807\tpulse exec/s: 9223372036854775807\n"))
	f.Add([]byte("Test unit written to ../../crash-45b1f7569022caac0eda4ffa06610b989038a0d3\nTest unit written to /\x00\n"))
	f.Add([]byte("MS: \nMS: \n==1==ERROR: \xff\n === Timeout\nRunning: \nstat::number_of_executed_units: x"))
	f.Fuzz(func(t *testing.T, said []byte) {
		whole := newOutput()
		_, _ = whole.Write(said)
		whole.end()
		pieces := newOutput()
		for i := range said {
			_, _ = pieces.Write(said[i : i+1])
		}
		pieces.end()
		if a, b := whole.log(), pieces.log(); a != b {
			t.Errorf("in pieces the report is\n%q\nnot\n%q", b, a)
		}
		if !reflect.DeepEqual(whole.artifacts(), pieces.artifacts()) {
			t.Errorf("in pieces the inputs are %q, not %q", pieces.artifacts(), whole.artifacts())
		}
		for _, name := range whole.artifacts() {
			if strings.ContainsAny(name, "/\x00") || kindOf(name) == "" {
				t.Errorf("an input is called %q", name)
			}
		}
		if s := whole.stats(); s.Executions < 0 || s.Coverage < 0 || s.Corpus < 0 || s.PerSecond < 0 || s.MemoryMB < 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}
