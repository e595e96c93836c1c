package driver_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// What several mount namespaces, such as those of containers, do to each other.

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
