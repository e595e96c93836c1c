package driver_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// stage is a directory with a base, in which overlay views are made.
type stage struct {
	*testing.T
	d    driver.Driver
	top  string
	base *os.Root
}

// overlayStage makes a stage in dir, or in a temporary directory.
func overlayStage(t *testing.T, dir ...string) *stage {
	t.Helper()
	s := &stage{T: t, top: append(dir, "")[0]}
	if s.top == "" {
		s.top = t.TempDir()
	}
	root := s.open("")
	p := driver.ByName(driver.Probe(root), "overlay")
	if errors.Is(p.Err, fs.ErrPermission) {
		t.Skip(p.Err)
	}
	s.must(p.Err)
	s.d = p.Driver
	s.Cleanup(func() { mountstest.UnmountBelow(t, s.top) })
	s.must(s.d.MakeBase(root, "base"))
	s.base = s.open("base")
	s.write("base/file", "base")
	s.write("base/dir/inner", "base")
	return s
}

func (s *stage) path(name string) string { return filepath.Join(s.top, name) }

func (s *stage) must(err error) {
	if err != nil {
		s.Helper()
		s.Fatal(err)
	}
}

func (s *stage) open(name string) *os.Root {
	s.Helper()
	root, err := os.OpenRoot(s.path(name))
	s.must(err)
	s.Cleanup(func() { root.Close() })
	return root
}

func (s *stage) write(name, content string) {
	s.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(content), 0o644))
}

func (s *stage) expect(name, want string) {
	s.Helper()
	if b, err := os.ReadFile(s.path(name)); err != nil || string(b) != want {
		s.Errorf("%s reads %q, %v; want %q", name, b, err, want)
	}
}

// view makes the view name/workspace.
func (s *stage) view(name string) driver.Job {
	s.Helper()
	s.must(os.MkdirAll(s.path(name), 0o755))
	job := driver.Job{Base: s.base, Dir: s.open(name), Name: "workspace"}
	_, err := s.d.Create(s.Context(), job)
	s.must(err)
	return job
}

func (s *stage) unmount(job driver.Job) {
	s.Helper()
	s.must(mounts.Unmount(job.Dir, job.Name))
}

func (s *stage) check(job driver.Job) error { return s.d.Check(job.Dir, job.Name) }

func (s *stage) restore(job driver.Job) error { return s.d.Restore(s.Context(), job) }

// run runs a shell script in the stage.
func (s *stage) run(script string) (string, error) {
	cmd := exec.CommandContext(s.Context(), "sh", "-c", script)
	cmd.Dir = s.top
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// user says that the driver's overlays are those of a user namespace.
func (s *stage) user() bool {
	r, err := mounts.CanMount()
	s.must(err)
	return !r.InitialUser
}

func TestOverlayViewIsWhatTheCommentDraws(t *testing.T) {
	s := overlayStage(t)
	s.must(s.base.Chmod(".", 0o751))
	job := s.view("run")
	if info, err := os.Stat(s.path("run/workspace")); err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("the view's mode: %v, %v; want the base's", info.Mode(), err)
	}
	s.unmount(job)
	for name, want := range map[string]fs.FileMode{".overlay": 0o700, "workspace": 0, ".overlay/upper": 0o751, ".overlay/work": 0o700} {
		if info, err := job.Dir.Lstat(name); err != nil || info.Mode() != fs.ModeDir|want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	for dir, want := range map[string][]string{".": {".overlay", "workspace"}, ".overlay": {"upper", "view.json", "work"}, ".overlay/upper": nil, "workspace": nil} {
		var got []string
		all, err := fs.ReadDir(job.Dir.FS(), dir)
		s.must(err)
		for _, d := range all {
			got = append(got, d.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", dir, got, want)
		}
	}
}

func TestOverlayNoNameOfATargetOrOfTheCacheIsInAMountOption(t *testing.T) {
	s := overlayStage(t)
	name := "a,b:c\\d=" + strings.Repeat("ü", 96) + "/lowerdir=x,volatile"
	s.view(name)
	s.write(name+"/workspace/new", "new")
	all, err := mounts.Below(s.top)
	s.must(err)
	if len(all) != 1 {
		t.Fatalf("mounted: %+v", all)
	}
	m := all[0]
	if m.Point != s.path(name+"/workspace") || m.Source != driver.MountSource || m.FSType != "overlay" {
		t.Errorf("mounted: %+v", m)
	}
	if !strings.HasPrefix(m.SuperOptions, "rw,lowerdir=lower,upperdir=upper,workdir=work,") {
		t.Errorf("options of the file system: %s", m.SuperOptions)
	}
	for _, o := range []string{"nosuid", "nodev"} {
		if !slices.Contains(strings.Split(m.Options, ","), o) {
			t.Errorf("options of the mount: %s lack %s", m.Options, o)
		}
	}
}

func TestOverlayAViewIsOneFileSystemToDuAndFind(t *testing.T) {
	s := overlayStage(t)
	s.write("base/large", strings.Repeat("x", 300<<10))
	s.view("run")
	s.write("run/workspace/file", "written")
	s.write("run/workspace/new/file", strings.Repeat("y", 300<<10))
	out, err := s.run("cd run/workspace; find . -xdev -type f | sort | tr '\\n' ' '; du -skx . | cut -f1")
	s.must(err)
	files, size, _ := strings.Cut(strings.TrimSpace(out), "large ")
	files, size = files+"large", strings.TrimPrefix(size, "./new/file ")
	if files != "./dir/inner ./file ./large" || len(size) != 3 || size < "600" {
		t.Errorf("find and du say %q", out)
	}
	dirs, err := s.run("stat -c %d run/workspace run/workspace/* | sort -u | wc -l")
	if s.must(err); strings.TrimSpace(dirs) != "1" {
		t.Errorf("%s device numbers", dirs)
	}
}

func TestOverlayInodeNumbersOfAViewSurviveItsRestoring(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.write("run/workspace/file", "written")
	names := []string{"", "dir", "dir/inner"}
	if !s.user() {
		// A user namespace may not look up what a file was copied from, and its number.
		names = append(names, "file")
	}
	inodes := func() (all []uint64) {
		for _, n := range names {
			var st unix.Stat_t
			s.must(unix.Stat(s.path("run/workspace/"+n), &st))
			all = append(all, st.Ino)
		}
		return all
	}
	before := inodes()
	s.unmount(job)
	s.must(s.restore(job))
	if after := inodes(); !slices.Equal(before, after) {
		t.Errorf("inode numbers were %d and are %d", before, after)
	}
}
