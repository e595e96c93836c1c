package loopfs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/loopfs"
)

var kinds = []struct {
	fs    string
	size  int64
	magic int64
}{
	{"ext4", 64 << 20, unix.EXT4_SUPER_MAGIC},
	{"xfs", 300 << 20, unix.XFS_SUPER_MAGIC},
	{"btrfs", 120 << 20, unix.BTRFS_SUPER_MAGIC},
	{"tmpfs", 8 << 20, unix.TMPFS_MAGIC},
}

func TestNew(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.fs+" is what it says, can be written, and is as big as asked for", func(t *testing.T) {
			t.Parallel()
			dir := loopfs.New(t, k.fs, k.size)
			var st unix.Statfs_t
			if err := unix.Statfs(dir, &st); err != nil {
				t.Fatal(err)
			}
			if st.Type != k.magic {
				t.Errorf("magic = %#x, want %#x", st.Type, k.magic)
			}
			if total := int64(st.Blocks) * st.Bsize; total > k.size || total < k.size/3 {
				t.Errorf("%d bytes in all, want about %d", total, k.size)
			}
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNothingStays(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.fs, func(t *testing.T) {
			t.Parallel()
			var dirs []string
			t.Run("used", func(t *testing.T) {
				for range 2 {
					dirs = append(dirs, loopfs.New(t, k.fs, k.size))
				}
			})
			if len(dirs) == 0 {
				t.Skip("there is none to be had")
			}
			table, err := os.ReadFile("/proc/self/mountinfo")
			if err != nil {
				t.Fatal(err)
			}
			backing := ""
			files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
			for _, f := range files {
				b, _ := os.ReadFile(f) // one that was freed meanwhile has none
				backing += string(b)
			}
			for _, d := range dirs {
				if strings.Contains(string(table), d) {
					t.Errorf("%s is still mounted", d)
				}
				if strings.Contains(backing, filepath.Dir(d)) {
					t.Errorf("a loop device still has an image of %s", filepath.Dir(d))
				}
			}
		})
	}
}

func TestACopyInAnotherNamespaceIsNoDefect(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	loopfs.New(r, "ext4", 16<<20)
	stranger := exec.Command("sleep", "60")
	stranger.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait() // it was killed
	defer stranger.Process.Kill()
	for _, clean := range slices.Backward(r.cleanups) {
		clean()
	}
	if r.failures != "" || !strings.Contains(r.logs, fmt.Sprintf("process %d (sleep)", stranger.Process.Pid)) {
		t.Errorf("failures: %s\nlogs: %s", r.failures, r.logs)
	}
}

// recorder is a test whose clean-up and failures are looked at.
type recorder struct {
	testing.TB
	failures string
	logs     string
	cleanups []func()
}

func (r *recorder) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)                 { r.failures += fmt.Sprint(args...) }
func (r *recorder) Logf(format string, args ...any)   { r.logs += fmt.Sprintf(format, args...) }
func (r *recorder) Errorf(format string, args ...any) { r.failures += fmt.Sprintf(format, args...) }

func TestWhatKeepsItBusyIsNamedAndItGoesAllTheSame(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	dir := loopfs.New(r, "ext4", 16<<20)
	f, err := os.Create(filepath.Join(dir, "kept-open"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*time.Second, func() { f.Close() }) // longer than the mount is waited for, not as long as the device is
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", inner, "tmpfs", 0, "size=4096"); err != nil {
		t.Fatal(err)
	}
	for _, clean := range slices.Backward(r.cleanups) {
		clean()
	}
	for _, want := range []string{"busy", "a mount: " + inner, fmt.Sprintf("process %d (loopfs.test)", os.Getpid()), "kept-open"} {
		if !strings.Contains(r.failures, want) {
			t.Errorf("the report does not have %q:\n%s", want, r.failures)
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(table), dir) {
		t.Errorf("%v; or something is still mounted", err)
	}
}
