package mounts_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
)

// ground is a directory that the test may mount in.
func ground(t *testing.T) (string, *os.Root) {
	t.Helper()
	if r, err := mounts.CanMount(); err != nil || !r.SysAdmin {
		t.Skipf("this process has no CAP_SYS_ADMIN (%v)", err)
	}
	top := t.TempDir()
	t.Cleanup(func() {
		if err := mounts.UnmountBelow(top); err != nil {
			t.Error(err)
		}
	})
	root, err := os.OpenRoot(top)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return top, root
}

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// tmpfs makes a directory and mounts an empty file system on it.
func tmpfs(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	must(t, unix.Mount("test", dir, "tmpfs", 0, "size=64k"))
}

func isRoot(t *testing.T, root *os.Root, name string) bool {
	t.Helper()
	is, err := mounts.IsRoot(root, name)
	must(t, err)
	return is
}

func TestIsRoot(t *testing.T) {
	top, root := ground(t)
	tmpfs(t, top+"/a/m")
	must(t, os.Mkdir(top+"/a/m/in", 0o755))
	must(t, os.Symlink("m", top+"/a/link"))
	for name, want := range map[string]bool{"a/m": true, "a": false, "a/m/in": false, "a/link": false} {
		if got := isRoot(t, root, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if _, err := mounts.IsRoot(root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what does not exist: %v", err)
	}
	if _, err := mounts.IsRoot(root, "../x"); err == nil {
		t.Error("a name that leads out was looked up")
	}
}

func TestBindReadOnlyStopsRoot(t *testing.T) {
	top, root := ground(t)
	must(t, os.MkdirAll(top+"/tree/dir", 0o755))
	must(t, os.WriteFile(top+"/tree/file", []byte("x"), 0o644))
	tmpfs(t, top+"/tree/dir/m")
	must(t, os.WriteFile(top+"/tree/dir/m/hidden", nil, 0o644))
	for range 2 {
		must(t, mounts.BindReadOnly(root, "tree"))
	}
	for what, err := range map[string]error{
		"writing": os.WriteFile(top+"/tree/file", nil, 0o644), "chmod": os.Chmod(top+"/tree/file", 0o600),
		"removing": os.Remove(top + "/tree/file"), "making": os.Mkdir(top+"/tree/new", 0o755),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if b, err := os.ReadFile(top + "/tree/file"); err != nil || string(b) != "x" {
		t.Errorf("reading: %q, %v", b, err)
	}
	if _, err := os.Stat(top + "/tree/dir/m/hidden"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is mounted below shows: %v", err)
	}
	m, err := mounts.Of(top + "/tree")
	must(t, err)
	if m.Point != top+"/tree" || !strings.HasSuffix(m.Root, "/tree") || m.Propagation() != "private" && m.Shared == 0 {
		t.Errorf("mounted: %+v", m)
	}
	for _, o := range []string{"ro", "nosuid", "nodev"} {
		if !strings.Contains(","+m.Options+",", ","+o+",") {
			t.Errorf("options %s lack %s", m.Options, o)
		}
	}
	must(t, mounts.Unmount(root, "tree"))
	if isRoot(t, root, "tree") {
		t.Error("binding twice mounted twice")
	}
	must(t, os.WriteFile(top+"/tree/file", nil, 0o644))
}

func TestBindReadOnlyFollowsNoLink(t *testing.T) {
	top, root := ground(t)
	must(t, os.Mkdir(top+"/dir", 0o755))
	must(t, os.Symlink("dir", top+"/link"))
	if err := mounts.BindReadOnly(root, "link"); err == nil {
		t.Error("a link was mounted")
	}
	if isRoot(t, root, "dir") {
		t.Error("what the link leads to was mounted")
	}
}

func TestUnmountIsRefusedWhileInUse(t *testing.T) {
	top, root := ground(t)
	tmpfs(t, top+"/m")
	f, err := os.Create(top + "/m/file")
	must(t, err)
	err = mounts.Unmount(root, "m")
	if !errors.Is(err, mounts.ErrBusy) || cordon.KindOf(err) != cordon.Busy || cordon.FixOf(err) == "" {
		t.Errorf("with an open file: %v", err)
	}
	f.Close()
	tmpfs(t, top+"/m/n")
	if err := mounts.Unmount(root, "m"); !errors.Is(err, mounts.ErrBusy) {
		t.Errorf("with another mount in it: %v", err)
	}
	must(t, mounts.Unmount(root, "m/n"))
	must(t, mounts.Unmount(root, "m"))
}

func TestUnmountTakesOneMount(t *testing.T) {
	top, root := ground(t)
	tmpfs(t, top+"/m")
	tmpfs(t, top+"/m")
	must(t, os.Symlink("m", top+"/link"))
	if err := mounts.Unmount(root, "link"); err == nil {
		t.Error("a link was followed")
	}
	must(t, mounts.Unmount(root, "m"))
	if !isRoot(t, root, "m") {
		t.Error("both mounts are gone")
	}
	must(t, mounts.Unmount(root, "m"))
	err := mounts.Unmount(root, "m")
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "nothing is mounted") {
		t.Errorf("without a mount: %v", err)
	}
	if err := mounts.Unmount(root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

func TestUnmountBelow(t *testing.T) {
	top, _ := ground(t)
	for _, tc := range []struct {
		name string
		make func(t *testing.T, dir string)
	}{
		{"one mount in another", func(t *testing.T, d string) { tmpfs(t, d+"/a"); tmpfs(t, d+"/a/b"); tmpfs(t, d+"/a/b/c") }},
		{"one mount on another", func(t *testing.T, d string) { tmpfs(t, d+"/a"); tmpfs(t, d+"/a"); tmpfs(t, d+"/a") }},
		{"a mount that hides another", func(t *testing.T, d string) { tmpfs(t, d+"/a/b/c"); tmpfs(t, d+"/a"); tmpfs(t, d+"/a/b/c") }},
		{"odd names", func(t *testing.T, d string) {
			tmpfs(t, d+"/a b\nc\\040#,:/"+strings.Repeat("ü", 127)+"/x")
			tmpfs(t, d+"/ - x")
		}},
		{"a path longer than the kernel takes", func(t *testing.T, d string) {
			wd, err := os.Getwd()
			must(t, err)
			for range 20 {
				n := strings.Repeat("n", 250)
				must(t, os.Chdir(d))
				must(t, os.Mkdir(n, 0o755))
				d = n
			}
			tmpfs(t, d+"/m")
			must(t, os.Chdir(wd))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, err := os.MkdirTemp(top, "")
			must(t, err)
			tc.make(t, dir)
			if all, err := mounts.Below(dir); err != nil || len(all) == 0 {
				t.Fatalf("below: %v, %v", all, err)
			}
			must(t, mounts.UnmountBelow(dir))
			if all, err := mounts.Below(dir); err != nil || len(all) != 0 {
				t.Errorf("left: %+v, %v", all, err)
			}
		})
	}
}

func TestUnmountBelowLeavesOthersAlone(t *testing.T) {
	top, root := ground(t)
	tmpfs(t, top+"/trash/m")
	tmpfs(t, top+"/trashy/m")
	tmpfs(t, top+"/self")
	tmpfs(t, top+"/self/m")
	must(t, os.Symlink("../trashy", top+"/trash/link"))
	must(t, mounts.UnmountBelow(top+"/trash"))
	must(t, mounts.UnmountBelow(top+"/self"))
	for name, want := range map[string]bool{"trash/m": false, "trashy/m": true, "self": true, "self/m": false} {
		if got := isRoot(t, root, name); got != want {
			t.Errorf("%s is mounted: %v, want %v", name, got, want)
		}
	}
	must(t, mounts.UnmountBelow(top+"/none"))
}

func TestUnmountBelowSaysWhatStays(t *testing.T) {
	top, root := ground(t)
	tmpfs(t, top+"/t/free")
	tmpfs(t, top+"/t/used")
	f, err := os.Create(top + "/t/used/file")
	must(t, err)
	err = mounts.UnmountBelow(top + "/t")
	if !errors.Is(err, mounts.ErrBusy) || !strings.Contains(err.Error(), "t/used") || strings.Contains(err.Error(), "t/free") {
		t.Errorf("error: %v", err)
	}
	if isRoot(t, root, "t/free") || !isRoot(t, root, "t/used") {
		t.Error("not exactly the mount in use stayed")
	}
	f.Close()
	must(t, mounts.UnmountBelow(top+"/t"))
}

func TestPropagation(t *testing.T) {
	top, _ := ground(t)
	tmpfs(t, top+"/m")
	for _, tc := range []struct {
		flags uintptr
		want  string
	}{{unix.MS_PRIVATE, "private"}, {unix.MS_SHARED, "shared"}, {unix.MS_SLAVE, "private"}} {
		must(t, unix.Mount("", top+"/m", "", tc.flags, ""))
		if m, err := mounts.Of(top + "/m"); err != nil || m.Propagation() != tc.want || m.FSType != "tmpfs" || m.Source != "test" {
			t.Errorf("after %#x: %s, %+v, %v", tc.flags, m.Propagation(), m, err)
		}
	}
	must(t, unix.Mount("", top+"/m", "", unix.MS_SHARED, ""))
	must(t, os.Mkdir(top+"/peer", 0o755))
	must(t, unix.Mount(top+"/m", top+"/peer", "", unix.MS_BIND, ""))
	must(t, unix.Mount("", top+"/peer", "", unix.MS_SLAVE, ""))
	if m, err := mounts.Of(top + "/peer"); err != nil || m.Propagation() != "slave" {
		t.Errorf("a slave: %+v, %v", m, err)
	}
}

func TestNamespaceTellsOneFromAnother(t *testing.T) {
	ground(t)
	here, err := mounts.Namespace()
	must(t, err)
	out, err := exec.Command("unshare", "-m", "readlink", "/proc/self/ns/mnt").Output()
	must(t, err)
	if there := strings.TrimSpace(string(out)); !strings.HasPrefix(here, "mnt:[") || here == there {
		t.Errorf("here %q, there %q", here, there)
	}
}

func TestCanMountTellsUserNamespaces(t *testing.T) {
	const inside = "CORDON_TEST_IN_USER_NAMESPACE"
	r, err := mounts.CanMount()
	must(t, err)
	if os.Getenv(inside) != "" {
		if !r.SysAdmin || r.InitialUser {
			t.Errorf("in a user namespace: %+v", r)
		}
		return
	}
	if !r.InitialUser {
		t.Skip("this test is run in a user namespace")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("no user namespace can be made here: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
