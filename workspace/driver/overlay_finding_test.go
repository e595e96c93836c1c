package driver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// What was found out about mounts before the driver was written, and must stay so.

func TestOverlayEmptyingTheCacheLeavesAViewMountedAndBroken(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	out, err := s.run("rm -rf run")
	if err == nil || !strings.Contains(out, "busy") {
		t.Errorf("rm: %s, %v; want the mount point to be busy", out, err)
	}
	// Its upper is gone as well, so that the kernel says even of the top that it is deleted.
	left, err := os.ReadDir(s.path("run/workspace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
		t.Errorf("the workspace has %v, %v", left, err)
	}
	if is, err := mounts.IsRoot(job.Dir, job.Name); err != nil || !is {
		t.Errorf("still mounted: %v, %v", is, err)
	}
	if err := s.check(job); !errors.Is(err, driver.ErrBroken) {
		t.Errorf("check: %v", err)
	}
	if err := s.restore(job); !errors.Is(err, driver.ErrBroken) {
		t.Errorf("restore: %v", err)
	}
	s.expect("base/file", "base")
	s.must(driver.Release(job.Dir, job.Name))
	s.must(os.RemoveAll(s.path("run")))
}

func TestOverlayTheMountPointCannotBeRenamedAndWhatHoldsItCan(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	if err := os.Rename(s.path("run/workspace"), s.path("run/moved")); !errors.Is(err, unix.EBUSY) {
		t.Errorf("renaming the mount point: %v", err)
	}
	f, err := os.Create(s.path("run/workspace/open"))
	s.must(err)
	s.must(os.Rename(s.path("run"), s.path("trash")))
	if err := driver.Release(job.Dir, job.Name); !errors.Is(err, driver.ErrBusy) || !errors.Is(err, mounts.ErrBusy) {
		t.Errorf("released with an open file: %v", err)
	}
	s.must(s.check(job))
	f.Close()
	s.must(driver.Release(job.Dir, job.Name))
}

func TestOverlayReleaseTakesWhatWasMountedOnTop(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.must(unix.Mount("test", s.path("run/workspace"), "tmpfs", 0, ""))
	if err := s.check(job); !errors.Is(err, driver.ErrBroken) {
		t.Errorf("with something else mounted on it: %v", err)
	}
	s.must(driver.Release(job.Dir, job.Name))
	if all, err := mounts.Below(s.top); err != nil || len(all) > 0 {
		t.Errorf("left: %+v, %v", all, err)
	}
}

// changeNote changes a field of a view's note.
func (s *stage) changeNote(name, field string, value any) {
	s.Helper()
	file := s.path(name + "/.overlay/view.json")
	b, err := os.ReadFile(file)
	s.must(err)
	var n map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // a birth time has more digits than a float64
	s.must(d.Decode(&n))
	if n[field] == nil {
		s.Fatalf("no field %s in %s", field, b)
	}
	n[field] = value
	b, err = json.Marshal(n)
	s.must(err)
	s.must(os.WriteFile(file, b, 0o644))
}

func TestOverlayAViewDoesNotOutliveARestart(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.unmount(job)
	s.changeNote("run", "boot", "another")
	for what, err := range map[string]error{"check": s.check(job), "restore": s.restore(job)} {
		if !errors.Is(err, driver.ErrBroken) || !strings.Contains(err.Error(), "restarted") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOverlayTheKernelRefusesAVolatileMarkThatNobodyTookAway(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.unmount(job)
	if _, err := job.Dir.Lstat(".overlay/work/work/incompat/volatile"); err != nil {
		t.Fatal(err)
	}
	out, err := s.run("cd run/.overlay && mount -t overlay -o index=on,lowerdir=../../base,upperdir=upper,workdir=work x ../workspace")
	if err == nil {
		t.Errorf("it was mounted: %s", out)
	}
	s.must(s.restore(job))
}

func TestOverlayTheKernelItselfRefusesAnotherBase(t *testing.T) {
	s := overlayStage(t)
	if s.user() {
		t.Skip("without an index the kernel does not know the base again")
	}
	job := s.view("run")
	s.unmount(job)
	s.must(s.d.MakeBase(s.open(""), "other"))
	job.Base = s.open("other")
	if err := s.restore(job); !errors.Is(err, driver.ErrBroken) || errors.Is(err, unix.ESTALE) {
		t.Errorf("the driver says %v", err)
	}
	info, err := os.Stat(s.path("other"))
	s.must(err)
	var stx unix.Statx_t
	s.must(unix.Statx(unix.AT_FDCWD, s.path("other"), 0, unix.STATX_BTIME, &stx))
	id := map[string]any{"inode": info.Sys().(*syscall.Stat_t).Ino}
	if stx.Mask&unix.STATX_BTIME != 0 {
		id["born"] = stx.Btime.Sec*1e9 + int64(stx.Btime.Nsec)
	}
	s.changeNote("run", "base", id)
	if err := s.restore(job); !errors.Is(err, driver.ErrBroken) || !errors.Is(err, unix.ESTALE) {
		t.Errorf("the kernel says %v", err)
	}
}

func TestOverlayWhatWasWrittenWithoutTheMountIsNeverHidden(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.unmount(job)
	s.write("run/workspace/stray", "x")
	if err := s.check(job); !errors.Is(err, driver.ErrDetached) {
		t.Errorf("check: %v", err)
	}
	if err := s.restore(job); !errors.Is(err, driver.ErrBroken) || !strings.Contains(err.Error(), `"stray"`) {
		t.Errorf("restore: %v", err)
	}
	s.expect("run/workspace/stray", "x")
}
