package drivertest_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
	"github.com/cordonlabs/cordon/workspace/driver/drivertest"
)

func init() { drivertest.Child() }

// broken is the copying driver with one defect.
type broken struct {
	driver.Copy
	before func(driver.Job) (driver.Job, error) // instead of the job itself
	after  func(base, view string) error        // what is done to the view
	usage  func(driver.Usage) driver.Usage
	check  func() error
}

func (b broken) Create(ctx context.Context, job driver.Job) (driver.Usage, error) {
	if b.before != nil {
		var err error
		if job, err = b.before(job); err != nil {
			return driver.Usage{}, err
		}
		ctx = context.WithoutCancel(ctx)
	}
	u, err := b.Copy.Create(ctx, job)
	if err == nil && b.after != nil {
		err = b.after(job.Base.Name(), filepath.Join(job.Dir.Name(), job.Name))
	}
	if b.usage != nil {
		u = b.usage(u)
	}
	return u, err
}

func (b broken) Check(dir *os.Root, name string) error {
	if b.check != nil {
		return b.check()
	}
	return b.Copy.Check(dir, name)
}

// each does something to every entry of the view.
func each(do func(path string, d fs.DirEntry, in string) error) func(base, view string) error {
	return func(base, view string) error {
		return filepath.WalkDir(view, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(view, p)
			if err != nil {
				return err
			}
			return do(p, d, filepath.Join(base, rel))
		})
	}
}

// linked makes of every file in the view another name of the same file of tree.
func linked(tree func(base string) string) func(base, view string) error {
	return func(base, view string) error {
		return each(func(p string, d fs.DirEntry, _ string) error {
			rel, err := filepath.Rel(view, p)
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			from := filepath.Join(tree(base), rel)
			if _, err := os.Lstat(from); err != nil {
				return nil // this tree does not have it
			}
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Link(from, p)
		})(base, view)
	}
}

// defects that a driver may have, and a behaviour that must fail on each.
var defects = map[string]struct {
	driver    broken
	behaviour string
}{
	"files are hard links to the base's": {broken{after: linked(func(base string) string { return base })},
		"nothing done to a view shows in the base or in another view"},
	"files are hard links to another view's": {broken{after: linked(func(base string) string { return filepath.Join(filepath.Dir(base), "one", "tree") })},
		"nothing done to a view shows in the base or in another view"},
	"many views share their files": {broken{after: linked(func(base string) string { return filepath.Join(filepath.Dir(base), "v0", "tree") })},
		"many views of one base are made at once and kept apart"},
	"modes are lost": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if d.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		return os.Chmod(p, 0o755)
	})}, "a view keeps modes, also those that forbid writing"},
	"everything becomes writable": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		info, err := d.Info()
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chmod(p, info.Mode()|0o200)
	})}, "a view keeps modes, also those that forbid writing"},
	"times of directories are lost": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if !d.IsDir() {
			return nil
		}
		return os.Chtimes(p, time.Now(), time.Now())
	})}, "a view keeps modification times, of directories and links too"},
	"times lose their fraction": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		info, err := d.Info()
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chtimes(p, time.Time{}, info.ModTime().Truncate(time.Second))
	})}, "a view keeps modification times, of directories and links too"},
	"the top directory has a mode of its own": {broken{after: func(_, view string) error { return os.Chmod(view, 0o700) }},
		"the top directory keeps its mode and its time"},
	"links are followed": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		b, err := os.ReadFile(p)
		if d.Type()&fs.ModeSymlink == 0 || err != nil {
			return nil
		}
		if err := os.Remove(p); err != nil {
			return err
		}
		return os.WriteFile(p, b, 0o644)
	})}, "links are as they are in the base: relative, absolute, dangling, in a circle"},
	"names of one file become files": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := os.Remove(p); err != nil {
			return err
		}
		return os.WriteFile(p, b, 0o644)
	})}, "names of one file stay names of one file, and are not the base's"},
	"attributes are lost": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		_ = unix.Lremovexattr(p, "user.note") // most have none
		return nil
	})}, "user attributes of files and directories are kept, and are the view's own"},
	"holes are filled": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if filepath.Base(p) != "sparse" {
			return nil
		}
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fallocate(int(f.Fd()), 0, 0, 16<<20)
	})}, "holes stay holes, also after a write"},
	"empty directories are left out": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if d.IsDir() {
			_ = unix.Rmdir(p) // only the empty ones go
		}
		return nil
	})}, "a view has the base's files, directories, links and contents"},
	"a byte is wrong": {broken{after: each(func(p string, d fs.DirEntry, _ string) error {
		if filepath.Base(p) != "4097" {
			return nil
		}
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt([]byte("?"), 4096)
		return err
	})}, "a view has the base's files, directories, links and contents"},
	"the base is touched": {broken{after: func(base, _ string) error { return os.Chmod(base, 0o755) }},
		"a view has the base's files, directories, links and contents"},
	"more is taken than is said": {broken{usage: func(u driver.Usage) driver.Usage { u.Bytes /= 2; return u }},
		"the usage reported is what was allocated, and within the price"},
	"more is said than the price": {broken{usage: func(u driver.Usage) driver.Usage { u.Inodes *= 3; return u }},
		"the usage reported is what was allocated, and within the price"},
	"nobody can cancel it": {broken{before: func(job driver.Job) (driver.Job, error) { return job, nil }},
		"a cancelled job ends with its cause"},
	"every view is found usable": {broken{check: func() error { return nil }}, "a view whose directory is gone is found broken"},
	"no view is found usable":    {broken{check: func() error { return driver.ErrBroken }}, "a fresh view is found usable, whatever a run did to it"},
	"it hangs at a FIFO": {broken{before: func(job driver.Job) (driver.Job, error) {
		f, err := job.Base.Open("pipe")
		if err == nil {
			f.Close()
		}
		return job, nil
	}}, "something that is no file, directory or link is refused or kept, and hangs nobody"},
}

// defectEnv names the defect that the second process is to have.
const defectEnv = "CORDON_DRIVERTEST_DEFECT"

// TestDefects looks whether the suite notices drivers that are broken: each is
// run in a second process, which has to fail. Without a defect it has to pass.
func TestDefects(t *testing.T) {
	if name, ok := os.LookupEnv(defectEnv); ok {
		drivertest.Run(t, defects[name].driver, func(t *testing.T) string { return t.TempDir() })
		return
	}
	var all []string
	for name, d := range defects {
		all = append(all, pattern(d.behaviour))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := again(t, name, pattern(d.behaviour)); err == nil || !strings.Contains(out, "--- FAIL: TestDefects/") || strings.Contains(out, "panic:") {
				t.Errorf("the suite does not notice it: %v\n%s", err, out)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if out, err := again(t, "none", strings.Join(all, "|")); err != nil || !strings.Contains(out, "--- PASS: TestDefects/") {
			t.Errorf("a driver without a defect: %v\n%s", err, out)
		}
	})
}

// pattern matches the name of a behaviour as package testing writes it.
func pattern(behaviour string) string {
	return "^" + regexp.QuoteMeta(strings.ReplaceAll(behaviour, " ", "_")) + "$"
}

// again runs TestDefects in a second process, with a defect.
func again(t *testing.T, defect, behaviours string) (string, error) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestDefects$/"+behaviours)
	cmd.Env = append(os.Environ(), defectEnv+"="+defect, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
