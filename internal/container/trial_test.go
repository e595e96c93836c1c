package container

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/loopfs"
)

// image is large enough for mkfs.xfs.
const image = 400 << 20

// places are where a container's /cache may be.
var places = map[string]func(t *testing.T, h *host, user int) string{
	"ext4":            func(t *testing.T, h *host, user int) string { return h.on(t, "ext4", user) },
	"xfs":             func(t *testing.T, h *host, user int) string { return h.on(t, "xfs", user) },
	"btrfs":           func(t *testing.T, h *host, user int) string { return h.on(t, "btrfs", user) },
	"tmpfs":           func(t *testing.T, h *host, user int) string { return h.on(t, "tmpfs", user) },
	"ext4, id-mapped": func(t *testing.T, h *host, _ int) string { return h.idmapped(t, h.on(t, "ext4", 0)) },
	"ext4, with fsGroup": func(t *testing.T, h *host, user int) string {
		volume := h.on(t, "ext4", 0)
		// As Kubernetes leaves a volume to a pod that is not root.
		if err := errors.Join(os.Chown(volume, 0, user), os.Chmod(volume, os.ModeSetgid|0o775)); err != nil {
			t.Fatal(err)
		}
		return volume
	},
	"the container layer": func(*testing.T, *host, int) string { return "" },
}

// on makes a volume on a file system of its own.
func (h *host) on(t *testing.T, fs string, user int) string {
	t.Helper()
	locked := false
	t.Cleanup(func() { // after the file system's own
		if locked {
			starting.Unlock()
		}
	})
	mounted := loopfs.New(t, fs, image)
	t.Cleanup(func() { starting.Lock(); locked = true })
	// The way to it leads through folders of the test, which strangers may not pass.
	pass(t, mounted)
	dir := filepath.Join(mounted, "volume")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, user, user)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// without is what the overlay snippets leave, less one.
func without(capability string) []string {
	return slices.DeleteFunc(slices.Clone(snippetCapabilities), func(c string) bool { return c == capability })
}

// What docs/containers.md says in its first table, line by line.
func TestWhatAContainerGets(t *testing.T) {
	type trial struct {
		name     string
		settings settings
		place    string
		driver   string // that is used
		readOnly bool   // shared trees are mounts that not even root writes through
		overlay  string // why overlay does not work: part of doctor's finding or advice; "" where it does
		tier     string // by which tools are confined
	}
	for _, tt := range []trial{
		{"Docker's defaults on ext4", settings{}, "ext4", "copy", false, "CAP_SYS_ADMIN", "landlock"},
		{"Docker's defaults on XFS", settings{}, "xfs", "reflink", false, "CAP_SYS_ADMIN", "landlock"},
		{"Docker's defaults on btrfs", settings{}, "btrfs", "snapshot", false, "CAP_SYS_ADMIN", "landlock"},
		{"no capability, no root, on ext4", settings{only: []string{}, user: 10001}, "ext4", "copy", false, "CAP_SYS_ADMIN", "none"},
		{"no capability, no root, on XFS", settings{only: []string{}, user: 10001}, "xfs", "reflink", false, "CAP_SYS_ADMIN", "none"},
		{"no capability, no root, with fsGroup", settings{only: []string{}, user: 10001}, "ext4, with fsGroup", "copy", false, "CAP_SYS_ADMIN", "none"},
		{"no capability, no root, on btrfs", settings{only: []string{}, user: 10001}, "btrfs", "snapshot", false, "CAP_SYS_ADMIN", "none"},
		{"no seccomp profile, no capability", settings{unconfined: true}, "ext4", "copy", false, "CAP_SYS_ADMIN", "landlock"},
		{"SYS_ADMIN on ext4", settings{add: []string{sysAdmin}}, "ext4", "overlay", true, "", "full"},
		{"SYS_ADMIN on XFS", settings{add: []string{sysAdmin}}, "xfs", "overlay", true, "", "full"},
		{"SYS_ADMIN on btrfs", settings{add: []string{sysAdmin}}, "btrfs", "overlay", true, "", "full"},
		{"SYS_ADMIN on tmpfs", settings{add: []string{sysAdmin}}, "tmpfs", "overlay", true, "", "full"},
		{"what the overlay snippets leave", settings{only: snippetCapabilities}, "ext4", "overlay", true, "", "full"},
		{"what the overlay snippets leave, in a user namespace", settings{only: snippetCapabilities, userns: true}, "ext4, id-mapped", "overlay", true, "", "full"},
		{"that without KILL", settings{only: without("CAP_KILL")}, "ext4", "overlay", true, "", "none"},
		{"that without SYS_CHROOT", settings{only: without(sysChroot)}, "ext4", "overlay", true, "", "landlock"},
		{"SYS_ADMIN and nothing else", settings{only: []string{sysAdmin}}, "ext4", "copy", true, "permission denied", "none"},
		{"SYS_ADMIN and DAC_OVERRIDE", settings{only: []string{sysAdmin, "CAP_DAC_OVERRIDE"}}, "ext4", "overlay", true, "", "none"},
		{"SYS_ADMIN on the container's own layer", settings{add: []string{sysAdmin}}, "the container layer", "copy", true, "volume", "full"},
		{"SYS_ADMIN for somebody who is not root", settings{add: []string{sysAdmin}, user: 10001}, "ext4", "copy", false, "CAP_SYS_ADMIN", "none"},
		{"SYS_ADMIN in a user namespace", settings{add: []string{sysAdmin}, userns: true}, "ext4", "overlay", true, "", "full"},
		{"SYS_ADMIN in a user namespace, as Kubernetes makes it", settings{add: []string{sysAdmin}, userns: true}, "ext4, id-mapped", "overlay", true, "", "full"},
		{"a user namespace without SYS_ADMIN", settings{userns: true}, "xfs", "reflink", false, "CAP_SYS_ADMIN", "landlock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			owner := tt.settings.user
			if tt.settings.userns {
				owner += firstMapped
			}
			tt.settings.cache = places[tt.place](t, h, owner)
			b := h.start(t, tt.settings)

			found := b.doctor(t)
			if tt.settings.cache == "" && found["driver reflink"].Status == "ok" {
				tt.driver = "reflink" // the layer is on the host's own disk, whatever that is
			}
			if f := found["copy-on-write"]; f.Status != "ok" || !strings.HasPrefix(f.Found, tt.driver+" ") {
				t.Errorf("copy-on-write: %+v, want %s", f, tt.driver)
			}
			for _, name := range []string{tt.driver, "copy"} {
				if f := found["driver "+name]; f.Status != "ok" {
					t.Errorf("driver %s: %+v", name, f)
				}
			}
			if f := found["driver overlay"]; (f.Status == "ok") != (tt.overlay == "") || !strings.Contains(f.Found+f.Fix, tt.overlay) {
				t.Errorf("driver overlay: %+v, want a word of %q", f, tt.overlay)
			}
			if f := found["read-only trees"]; (f.Status == "ok") != tt.readOnly {
				t.Errorf("read-only trees: %+v, want a mount: %v", f, tt.readOnly)
			}
			if f := found["isolation"]; !strings.HasPrefix(f.Found, "tier "+tt.tier+";") {
				t.Errorf("isolation: %+v, want tier %s", f, tt.tier)
			}

			b.worksWith(t, tt.driver, tt.readOnly)
		})
	}
}

// The root of a container is read-only: the locks of the tools' users are among the temporary
// files, where somebody else may have come before.
func TestADirectoryOfSomebodyElseIsNotTakenForTheLocks(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.start(t, settings{only: snippetCapabilities}.at(h.on(t, "ext4", 0), ""))
	const dir = "/tmp/cordon-run"
	for what, make := range map[string]string{
		"another user's directory": "mkdir -m 700 " + dir + " && chown 10001 " + dir,
		"one that is open to all":  "mkdir " + dir + " && chmod 777 " + dir,
		"a link":                   "mkdir -m 700 /tmp/other && ln -s other " + dir,
	} {
		b.must(t, "sh", "-c", make)
		if f := b.doctor(t)["isolation"]; !strings.HasPrefix(f.Found, "tier none;") || !strings.Contains(f.Found, dir+" is not a directory of this user alone") {
			t.Errorf("%s: %+v", what, f)
		}
		b.must(t, "rm", "-r", dir)
	}
	if f := b.doctor(t)["isolation"]; !strings.HasPrefix(f.Found, "tier full;") {
		t.Errorf("with a directory of its own: %+v", f)
	}
}

// worksWith looks at what runs get: two private views by driver, a shared tree,
// and nothing left of either afterwards.
func (b *box) worksWith(t *testing.T, driver string, readOnly bool) {
	t.Helper()
	one, two := b.get(t, "one", "copy-on-write"), b.get(t, "two", "copy-on-write")
	if one.Driver != driver {
		t.Errorf("the workspace was made by %q, want %s; %q", one.Driver, driver, one.Notes)
	}
	b.must(t, "sh", "-c", "echo mine > "+one.Path+"/src/a.txt && mv "+one.Path+"/src "+one.Path+"/moved && rm -r "+one.Path+"/moved")
	if got := b.must(t, "cat", two.Path+"/src/a.txt"); got != "base" {
		t.Errorf("another run sees %q", got)
	}
	shared := b.get(t, "three", "shared")
	if out, code := b.exec(t, "sh", "-c", "echo mine > "+shared.Path+"/src/a.txt"); readOnly && (code == 0 || !strings.Contains(out, "Read-only file system")) {
		t.Errorf("a shared tree was written to: exit code %d\n%s", code, out)
	}
	for run, path := range map[string]string{"one": one.Path, "two": two.Path, "three": shared.Path} {
		b.must(t, "cordon", "cleanup", path, "--run", run)
	}
	b.must(t, "cordon", "cache", "gc")
	if got, code := b.exec(t, "grep", " /cache/", "/proc/self/mountinfo"); code == 0 {
		t.Errorf("mounts are left:\n%s", got)
	}
	if got := b.must(t, "find", "/cache/.cordon/trash", "/cache/.cordon/staging", "-mindepth", "1"); got != "" {
		t.Errorf("left over:\n%s", got)
	}
}
