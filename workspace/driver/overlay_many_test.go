package driver_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// kernelMemory is what the kernel itself uses, in bytes: slabs and memory of each
// processor, from /proc/meminfo.
func kernelMemory(s *stage) (sum int64) {
	s.Helper()
	b, err := os.ReadFile("/proc/meminfo")
	s.must(err)
	for line := range strings.Lines(string(b)) {
		var name string
		var kib int64
		if n, _ := fmt.Sscanf(line, "%s %d kB", &name, &kib); n == 2 && (name == "Slab:" || name == "Percpu:") {
			sum += kib << 10
		}
	}
	return sum
}

func TestOverlayAThousandViewsOfOneBaseAtOnce(t *testing.T) {
	quickTemp(t)
	s := overlayStage(t)
	const each = 100
	rounds := 10
	if testing.Short() {
		rounds = 1
	}
	before := kernelMemory(s)
	var jobs []driver.Job
	begin := time.Now()
	for r := range rounds {
		var made sync.WaitGroup
		for i := range each {
			name := fmt.Sprintf("run-%d-%d", r, i)
			s.must(os.Mkdir(s.path(name), 0o755))
			job := driver.Job{Base: s.base, Dir: s.open(name), Name: "workspace"}
			jobs = append(jobs, job)
			made.Go(func() {
				if _, err := s.d.Create(t.Context(), job); err != nil {
					t.Error(err)
				}
			})
		}
		made.Wait()
	}
	n := len(jobs)
	t.Logf("%v and %d bytes of kernel memory for each of %d views", time.Since(begin)/time.Duration(n), (kernelMemory(s)-before)/int64(n), n)
	// Ten times what it takes by itself, for others use the machine as well.
	if per := (kernelMemory(s) - before) / int64(n); per > 300<<10 {
		t.Errorf("a view takes %d bytes of kernel memory", per)
	}
	for i, job := range jobs {
		if err := job.Dir.WriteFile("workspace/file", []byte(job.Dir.Name()), 0o644); err != nil {
			t.Fatalf("view %d: %v", i, err)
		}
	}
	begin = time.Now()
	for _, job := range jobs {
		s.must(s.check(job))
		if b, err := job.Dir.ReadFile("workspace/file"); err != nil || string(b) != job.Dir.Name() {
			t.Fatalf("reads %q, %v", b, err)
		}
	}
	t.Logf("a check takes %v", time.Since(begin)/time.Duration(n))
	begin = time.Now()
	for _, job := range jobs {
		s.must(driver.Release(job.Dir, job.Name))
	}
	t.Logf("a release takes %v", time.Since(begin)/time.Duration(n))
	if left, err := mounts.Below(s.top); err != nil || len(left) > 0 {
		t.Errorf("left: %d mounts, %v", len(left), err)
	}
	s.expect("base/file", "base")
}

func BenchmarkOverlayCheck(b *testing.B) {
	top := b.TempDir()
	root, err := os.OpenRoot(top)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	p := driver.ByName(driver.Probe(root), "overlay")
	if p.Err != nil {
		b.Skip(p.Err)
	}
	for _, n := range []string{"base", "run"} {
		if err := root.Mkdir(n, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	base, err := root.OpenRoot("base")
	if err != nil {
		b.Fatal(err)
	}
	defer base.Close()
	run, err := root.OpenRoot("run")
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	defer func() {
		if err := driver.Release(run, "view"); err != nil {
			b.Error(err)
		}
	}()
	if _, err := p.Driver.Create(b.Context(), driver.Job{Base: base, Dir: run, Name: "view"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := p.Driver.Check(run, "view"); err != nil {
			b.Fatal(err)
		}
	}
}
