package driver_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// What was found out about mounts before the driver was written, and must stay so.

// elsewhere is a shell in a mount namespace of its own, which began as a copy of
// this one.
type elsewhere struct {
	s   *stage
	in  io.WriteCloser
	out *bufio.Scanner
	cmd *exec.Cmd
}

func (s *stage) elsewhere(propagation string) *elsewhere {
	s.Helper()
	cmd := exec.Command("unshare", "-m", "--propagation", propagation, "sh")
	cmd.Dir, cmd.Stderr = s.top, os.Stderr
	in, err := cmd.StdinPipe()
	s.must(err)
	out, err := cmd.StdoutPipe()
	s.must(err)
	s.must(cmd.Start())
	e := &elsewhere{s, in, bufio.NewScanner(out), cmd}
	s.Cleanup(e.end)
	e.do("true")
	return e
}

// do runs a command there and returns its output, and " failed" if it did.
func (e *elsewhere) do(command string) string {
	e.s.Helper()
	_, err := io.WriteString(e.in, "{ "+command+"\n} || printf ' failed'; echo; echo .\n")
	e.s.must(err)
	var lines []string
	for e.out.Scan() && e.out.Text() != "." {
		lines = append(lines, e.out.Text())
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// end ends the shell, and with it the namespace.
func (e *elsewhere) end() {
	e.in.Close()
	_ = e.cmd.Wait() // the status of its last command does not matter; a second Wait does nothing
}

// restoreEnv has the directory of a view and that of its base for a second
// process, which prints how restoring it went.
const restoreEnv = "CORDON_TEST_RESTORE"

func TestOverlayRestoreInASecondProcess(t *testing.T) {
	dir, base, ok := strings.Cut(os.Getenv(restoreEnv), "\n")
	if !ok {
		t.Skip("is run by other tests in a second process")
	}
	s := overlayStage(t)
	var job driver.Job
	var err error
	job.Dir, err = os.OpenRoot(dir)
	s.must(err)
	job.Base, err = os.OpenRoot(base)
	s.must(err)
	job.Name = "workspace"
	err = s.restore(job)
	os.Stdout.WriteString("restored: " + strings.ReplaceAll(errorText(err), "\n", " ") + "\n")
}

func errorText(err error) string {
	if err == nil {
		return "well"
	}
	return err.Error()
}

// restoreIn has e restore the view in name.
func (s *stage) restoreIn(e *elsewhere, name string) string {
	s.Helper()
	out := e.do(restoreEnv + "='" + s.path(name) + "\n" + s.path("base") + "' " + os.Args[0] + " -test.run '^TestOverlayRestoreInASecondProcess$'")
	_, said, ok := strings.Cut(out, "restored: ")
	if !ok {
		s.Fatalf("the second process says %q", out)
	}
	said, _, _ = strings.Cut(said, "\n")
	return said
}

func TestOverlayALiveViewCannotBeMountedASecondTime(t *testing.T) {
	s := overlayStage(t)
	s.view("run")
	s.write("run/workspace/file", "written")
	e := s.elsewhere("private")
	if got := e.do("umount run/workspace && ls run/workspace"); got != "" {
		t.Fatalf("in the other namespace: %s", got)
	}
	got := s.restoreIn(e, "run")
	for _, want := range []string{driver.ErrBusy.Error(), "container", "rshared", "CACHE_COW_DRIVER=copy"} {
		if !strings.Contains(got, want) {
			t.Errorf("from another namespace: %q lacks %q", got, want)
		}
	}
	// What the first one does goes on working.
	s.must(os.Remove(s.path("run/workspace/file")))
	s.write("run/workspace/dir/inner", "copied up")
}

func TestOverlayWhatIsMountedElsewhereCanBeRestoredWhenItIsGoneThere(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	e := s.elsewhere("private")
	s.unmount(job) // it lives on in the other namespace
	if got := e.do("echo -n there > run/workspace/file"); got != "" {
		t.Errorf("a process of another namespace cannot go on: %s", got)
	}
	err := s.restore(job)
	if !errors.Is(err, driver.ErrBusy) || cordon.KindOf(err) != cordon.Busy || cordon.FixOf(err) == "" {
		t.Errorf("restored while it is used elsewhere: %v", err)
	}
	if got := e.do("umount run/workspace"); got != "" {
		t.Fatal(got)
	}
	s.must(s.restore(job))
	s.expect("run/workspace/file", "there")
}

func TestOverlayUnmountingSaysNothingOfProcessesInOtherNamespaces(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	e := s.elsewhere("private")
	e.do("exec 3> run/workspace/file")
	s.must(driver.Release(job.Dir, job.Name)) // no EBUSY
	if got := e.do("echo -n more >&3 && cat run/workspace/file"); got != "more" {
		t.Errorf("the process there reads %q", got)
	}
	if err := s.check(job); !errors.Is(err, driver.ErrDetached) {
		t.Errorf("here it is %v", err)
	}
}

func TestOverlayAMountPassesOnOnlyWhereThatIsShared(t *testing.T) {
	s := overlayStage(t)
	if s.user() {
		t.Skip("a user namespace's mounts are passed on to nobody outside")
	}
	for _, propagation := range []string{"private", "slave"} {
		dir := s.path(propagation)
		s.must(os.Mkdir(dir, 0o755))
		s.must(unix.Mount("test", dir, "tmpfs", 0, ""))
		s.must(unix.Mount("", dir, "", unix.MS_SHARED, ""))
		in := overlayStage(t, dir)
		e := in.elsewhere(propagation)
		in.view("run")
		want := map[string]string{"private": "", "slave": "dir\nfile"}[propagation]
		if got := e.do("ls run/workspace"); got != want {
			t.Errorf("a %s namespace sees %q, want %q", propagation, got, want)
		}
		e.end()
	}
}

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

func TestOverlayAnotherNamespaceDetachesAViewByRemovingItsMountPoint(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.write("run/workspace/file", "written")
	open, err := os.Open(s.path("run/workspace/file"))
	s.must(err)
	defer open.Close()
	if got := s.elsewhere("private").do("umount run/workspace && rmdir run/workspace"); got != "" {
		t.Fatalf("the other namespace: %s", got)
	}
	if err := s.check(job); !errors.Is(err, driver.ErrBroken) {
		t.Errorf("without its mount point: %v", err)
	}
	s.must(os.Mkdir(s.path("run/workspace"), 0o755))
	if err := s.check(job); !errors.Is(err, driver.ErrDetached) {
		t.Errorf("with an empty directory in its place: %v", err)
	}
	if err := s.restore(job); !errors.Is(err, driver.ErrBusy) {
		t.Errorf("while a file of it is open: %v", err)
	}
	open.Close()
	s.must(s.restore(job))
	s.expect("run/workspace/file", "written")
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
	s.must(json.Unmarshal(b, &n))
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
