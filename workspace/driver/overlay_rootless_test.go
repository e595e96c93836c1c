package driver_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
	"github.com/cordonlabs/cordon/workspace/driver/drivertest"
)

// insideEnv is set where the tests are run as root of a user and mount namespace
// that another test made.
const insideEnv = "CORDON_TEST_IN_USER_NAMESPACE"

// runInUserNamespace runs all tests of this driver once more, and the suite, as
// root of a user and mount namespace that this user makes.
func runInUserNamespace(t *testing.T) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.v", "-test.short", "-test.count=1", "-test.run", "^TestOverlay")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("this user may not make a user namespace here: %v", err)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestOverlayInAUserNamespace ")) {
		t.Errorf("in a user namespace: %v\n%s", err, out)
	}
}

// quickTemp has temporary files made in memory, where this process may mount: in
// user namespaces what matters is the kernel, not the disk. A tmpfs has the user
// attributes that overlayfs needs there since Linux 6.6.
func quickTemp(t *testing.T) {
	if os.Getuid() == 0 {
		t.Setenv("TMPDIR", loopfs.New(t, "tmpfs", 400<<20))
	}
}

func TestOverlayAsRootOfAUserNamespace(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("this is one")
	}
	quickTemp(t)
	runInUserNamespace(t)
}

func TestOverlayAsRootOfAnUnprivilegedUsersNamespace(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("this is one")
	}
	quickTemp(t)
	if asuser.Unprivileged(t) {
		runInUserNamespace(t)
	}
}

func TestOverlayInAUserNamespace(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("is run by other tests in a user namespace")
	}
	p := probeOverlay(t, t.TempDir())
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	want := driver.Traits{NeedsBase: true, Volatile: true, Mounted: true, NoDirRename: true, SplitsLinks: true}
	if got := p.Driver.Traits(); got != want || !strings.Contains(p.Note, "user namespace") || !strings.Contains(p.Note, "EXDEV") {
		t.Errorf("traits %+v, want %+v; note %q", got, want, p.Note)
	}
	top := t.TempDir()
	drivertest.Run(t, p.Driver, func(t *testing.T) string { return temp(t, top) })
}

func TestOverlayAViewOfAnotherKindOfNamespaceIsBroken(t *testing.T) {
	s := overlayStage(t)
	job := s.view("run")
	s.unmount(job)
	options := "index=on,volatile,userxattr"
	if s.user() {
		options = "index=on,volatile,redirect_dir=on"
	}
	s.changeNote("run", "options", options)
	if err := s.restore(job); !errors.Is(err, driver.ErrBroken) || !strings.Contains(err.Error(), "user namespace") {
		t.Errorf("%v", err)
	}
}
