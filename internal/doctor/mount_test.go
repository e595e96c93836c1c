package doctor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/internal/loopfs"
)

func TestAnOrdinaryUserHasNoMountRights(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	e := onCache(t, makeCache(t))
	want(t, one(t, e, "mount rights"), doctor.Warn, "no CAP_SYS_ADMIN", "reflink and copy need no right")
	want(t, one(t, e, "read-only trees"), doctor.Warn)
}

func TestPropagation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flag  uintptr
		says  string
		never string
	}{
		{"a shared mount is seen by others", unix.MS_SHARED, "shared: ", "private"},
		{"a private one is not", unix.MS_PRIVATE, "private", "shared: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := loopfs.New(t, "tmpfs", 16<<20)
			if err := unix.Mount("", dir, "", tt.flag, ""); err != nil {
				t.Fatal(err)
			}
			r := one(t, onCache(t, filepath.Join(dir, "cache")), "propagation")
			want(t, r, doctor.OK, tt.says)
			if strings.Contains(r.Found, tt.never) {
				t.Errorf("found %q", r.Found)
			}
		})
	}
}

func TestAContainersOwnLayerIsPointedOut(t *testing.T) {
	dir := loopfs.New(t, "tmpfs", 16<<20)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		mkdir(t, filepath.Join(dir, d), 0o755)
	}
	merged := filepath.Join(dir, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, "lowerdir="+dir+"/lower,upperdir="+dir+"/upper,workdir="+dir+"/work"); err != nil {
		t.Skipf("no overlay can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(merged, 0); err != nil {
			t.Error(err)
		}
	})
	want(t, one(t, onCache(t, merged), "file system"), doctor.Warn, "container's own layer", "mount a volume")
}

// inNamespace tells the test binary that it is the second process, in a user
// namespace in which no further one may be made.
const inNamespace = "CORDON_TEST_IN_USER_NAMESPACE"

func TestUserNamespaces(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		want(t, one(t, onCache(t, t.TempDir()), "user namespaces"), doctor.Warn, "max_user_namespaces", "raise the sysctl")
		return
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^TestUserNamespaces$")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		r := one(t, onCache(t, t.TempDir()), "user namespaces")
		want(t, r, doctor.Warn)
		t.Skipf("there are no user namespaces here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
	want(t, one(t, onCache(t, t.TempDir()), "user namespaces"), doctor.OK, "mount in it")
}

func TestStrayMounts(t *testing.T) {
	const name = "stray mounts"
	dir := loopfs.New(t, "tmpfs", 16<<20)
	makeCacheIn(t, dir)
	mount := func(at ...string) string {
		path := mkdir(t, filepath.Join(append([]string{dir}, at...)...), 0o755)
		if err := unix.Mount("left", path, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(path, 0); err != nil {
				t.Error(err)
			}
		})
		return path
	}
	mount("corpus") // an operator's volume
	mount(".cordon", "trash", "abc", "workspace")
	want(t, one(t, onCache(t, dir), name), doctor.OK, "none; 1 of the cache's own")

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	left := mount("target", "run", "workspace")
	for _, at := range []string{dir, link} {
		want(t, one(t, onCache(t, at), name), doctor.Warn, left, "umount")
	}
}

func TestAMountThatAnEntryExplainsIsNoStray(t *testing.T) {
	dir := loopfs.New(t, "tmpfs", 16<<20)
	path := published(t, dir)
	if err := unix.Mount("view", path, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	r := one(t, onCache(t, dir), "stray mounts")
	if err := unix.Unmount(path, 0); err != nil {
		t.Error(err)
	}
	want(t, r, doctor.OK, "none; ")
}

func TestReadOnlyTrees(t *testing.T) {
	dir := loopfs.New(t, "tmpfs", 16<<20) // skips where nothing may be mounted
	want(t, one(t, onCache(t, dir), "read-only trees"), doctor.OK, "read-only mount")
	want(t, one(t, onCache(t, dir), "mount rights"), doctor.OK, "CAP_SYS_ADMIN")
}
