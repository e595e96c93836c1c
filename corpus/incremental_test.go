package corpus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAPushReadsWhatIsNewAlone(t *testing.T) {
	const many = 5_000
	b, _ := store(t)
	r := newRun(t, b, quiet)
	for n := range many {
		if err := os.WriteFile(filepath.Join(r.dir, fmt.Sprint(n)), fmt.Append(nil, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if report := r.push(t); report.Files != many {
		t.Fatalf("Push = %+v", report)
	}
	first := time.Since(began)
	r.find(t, "new")
	before := readCalls(t)
	began = time.Now()
	report := r.push(t)
	took := time.Since(began)
	if report.Files != 1 || report.Known != many {
		t.Errorf("Push = %+v", report)
	}
	// Reading all would be a system call for each file at least.
	if calls := readCalls(t) - before; calls > int64(many)/2 {
		t.Errorf("it took %d system calls that read", calls)
	}
	t.Logf("%d inputs were pushed in %v, one more beside them in %v", many, first.Round(time.Millisecond), took.Round(time.Millisecond))
	began = time.Now()
	p := newRun(t, b, quiet)
	if report := p.pull(t); report.Files != many+1 {
		t.Errorf("Pull = %+v", report)
	}
	t.Logf("they were pulled in %v", time.Since(began).Round(time.Millisecond))
}

// readCalls returns how many system calls of this process have read something (proc(5): syscr).
func readCalls(t *testing.T) (calls int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("the kernel does not count system calls: ", err)
	}
	var rchar, wchar int64
	if _, err := fmt.Sscanf(string(b), "rchar: %d\nwchar: %d\nsyscr: %d", &rchar, &wchar, &calls); err != nil {
		t.Fatal(err)
	}
	return calls
}
