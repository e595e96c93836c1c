package memory

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/internal/mounts"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestThisMachineHasMemory(t *testing.T) {
	s, err := Read()
	if err != nil || s.Total <= 0 || s.Available <= 0 || s.Available > s.Total {
		t.Errorf("Read = %+v, %v", s, err)
	}
}

func TestTheMachinesOwnFiguresAreInBytes(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "meminfo"), "MemTotal:        2048 kB\nMemFree:         1 kB\nMemAvailable:    1024 kB\n")
	if s, err := machine(file); err != nil || s != (State{2 << 20, 1 << 20}) {
		t.Errorf("machine = %+v, %v", s, err)
	}
	for _, text := range []string{"", "MemTotal: 5 kB\n", "MemTotal: many kB\nMemAvailable: 1 kB\n"} {
		if _, err := machine(write(t, file, text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// A group takes from what there is, and so does each above it. What the kernel can take
// back of files counts as free.
func TestTheTightestGroupCounts(t *testing.T) {
	dir := t.TempDir()
	in := mounts.Mount{Point: dir, Root: "/"}
	write(t, filepath.Join(dir, "pod", "memory.max"), "1000\n")
	write(t, filepath.Join(dir, "pod", "memory.current"), "700\n")
	write(t, filepath.Join(dir, "pod", "memory.stat"), "anon 500\ninactive_file 100\nactive_file 100\n")
	write(t, filepath.Join(dir, "pod", "worker", "memory.max"), "max\n")
	write(t, filepath.Join(dir, "pod", "worker", "memory.current"), "10\n")
	read := func(at string, unified bool) State {
		s := State{Total: 5000, Available: 3000}
		for _, g := range upwards(in, at, unified) {
			s = s.within(g)
		}
		return s
	}
	if s := read("/pod/worker", true); s != (State{1000, 400}) {
		t.Errorf("in the pod there is %+v", s)
	}
	if s := read("/elsewhere", true); s != (State{5000, 3000}) {
		t.Errorf("without a limit there is %+v", s)
	}
	write(t, filepath.Join(dir, "old", "memory.limit_in_bytes"), "2000\n")
	write(t, filepath.Join(dir, "old", "memory.usage_in_bytes"), "2500\n")
	if s := read("/old", false); s != (State{2000, 0}) {
		t.Errorf("over its limit there is %+v", s)
	}
	write(t, filepath.Join(dir, "old", "memory.limit_in_bytes"), "9223372036854771712\n") // v1's "none"
	if s := read("/old", false); s != (State{5000, 3000}) {
		t.Errorf("without a limit of v1 there is %+v", s)
	}
}
