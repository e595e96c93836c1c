package aflpp

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

const (
	statsFile = `start_time        : 1795727156
execs_done        : 84970
execs_per_sec     : 13654.19
corpus_count      : 4
peak_rss_mb       : 12
edges_found       : 7
afl_banner        : a : strange : name
`
	plotFile = `# relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs, map_size, saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found
1, 21, 2, 4, 0, 0, 23.33%, 0, 0, 4, 1.81, 9, 1
6, 21, 2, 4, 0, 0, 23.33%, 0, 0, 4, 1872.81, 84971, 8
7, 21, 2, half a li`
)

func TestStats(t *testing.T) {
	if got, want := parseStats([]byte(statsFile)), (fuzz.Stats{Executions: 84970, Coverage: 7, MemoryMB: 12}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := parsePlot([]byte(plotFile)), (fuzz.Stats{Executions: 84971, PerSecond: 1872.81, Coverage: 8}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parsePlot([]byte(plotFile[:strings.Index(plotFile, "\n")+1])); got != (fuzz.Stats{}) {
		t.Errorf("a headline gave %+v", got)
	}
}

// Whatever stands there, no number is negative or none.
func FuzzStats(f *testing.F) {
	f.Add([]byte(statsFile))
	f.Add([]byte(plotFile))
	f.Add([]byte("edges_found: NaN\nexecs_done: -1\n"))
	f.Add([]byte("1,2,3,4,5,6,7,8,9,10,+Inf,-5,0x10\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, st := range []fuzz.Stats{parseStats(text), parsePlot(text)} {
			if st.Executions < 0 || st.Coverage < 0 || st.MemoryMB < 0 || !(st.PerSecond >= 0 && st.PerSecond < 1e12) {
				t.Errorf("%q is %+v", text, st)
			}
		}
	})
}

// Whatever is printed, it is kept in bounds, and the names of seeds are ours.
func FuzzOutput(f *testing.F) {
	f.Add(dryRun, "x")
	f.Add("[*] Attempting dry run with 'id:0,orig:../../a'...\nTest case results in a crash\n", "\n")
	f.Add(strings.Repeat("a", 5000), "\r\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		o := newOutput()
		for _, s := range []string{a, b, a} {
			o.Write([]byte(s))
		}
		if len(o.line) > maxLine || len(o.last()) > 3*lastSaid+maxLine {
			t.Errorf("kept %d and %d bytes", len(o.line), len(o.last()))
		}
		if strings.ContainsAny(o.last(), "\x1b\x00\r") {
			t.Errorf("printed %q", o.last())
		}
		for _, s := range o.crashed() {
			if len(s.name) != 7 || strings.Trim(s.name, "0123456789") != "" {
				t.Errorf("a seed is named %q", s.name)
			}
		}
	})
}

const dryRun = "[*] Attempting dry run with 'id:000000,time:0,execs:0,orig:0000002'...\n    len = 3\n" +
	"\x1b[1;94m[*] \x1b[0mAttempting dry run with 'id:000001,time:0,execs:0,orig:0000003'...\n" +
	"\x1b[1;93m[!] \x1b[0mWARNING: Test case 'id:000001,time:0,execs:0,orig:0000003' results in a crash, skipping\n"

func TestOutput(t *testing.T) {
	o := newOutput()
	o.Write([]byte(dryRun[:100])) // lines come in pieces
	o.Write([]byte(dryRun[100:]))
	if got := o.crashed(); len(got) != 1 || got[0] != (seed{"0000003", fuzz.FoundCrash}) {
		t.Errorf("got %+v", got)
	}
	if got := o.crashed(); len(got) != 0 {
		t.Errorf("again: %+v", got)
	}
	o.Write([]byte("[!] WARNING: Test case results in a timeout (skipping)\n"))
	if got := o.crashed(); len(got) != 1 || got[0] != (seed{"0000003", fuzz.FoundTimeout}) {
		t.Errorf("got %+v", got)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		text string
		is   bool
		args string
		file bool
	}{
		{"int LLVMFuzzerTestOneInput(const char *d, int n) { return 0; }", true, "", true},
		{"int main(void) { return 0; }", false, "", false},
		{"int main(void) { while (__AFL_LOOP(10)) ; }", true, "", false},
		{"int main(void) { /* while (__AFL_LOOP(10)) */ }", false, "", false},
		{"// cordon: afl\nint main(void) {}", true, "", false},
		{"// cordon: afl -q --in=@@ x\nint main(void) {}", true, "-q --in=@@ x", true},
		{"/* cordon: afl @@ */\nint main(void) {}", true, "@@", true},
		{"/*\n * cordon: afl @@\n */\nint main(void) {}", true, "@@", true},
		{"// cordon: aflame\nint main(void) {}", false, "", false},
		{"// cordon: afl @@\nint f(void) {}", false, "", false},
	} {
		k, at := classify([]byte(c.text), source.Bare([]byte(c.text)))
		if is := at >= 0; is != c.is || strings.Join(k.args, " ") != c.args || is && k.byFile() != c.file {
			t.Errorf("%q: %+v at %d", c.text, k, at)
		}
	}
}
