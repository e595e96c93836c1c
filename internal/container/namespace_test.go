package container

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// plainTrees is what several containers on one volume are to be given.
const plainTrees = "CACHE_COW_DRIVER=reflink,copy!"

var mayMount = settings{add: []string{sysAdmin}}

// at returns s with its cache on volume.
func (s settings) at(volume, propagation string) settings {
	s.cache, s.propagation = volume, propagation
	return s
}

// A mount belongs to one mount namespace.
func TestTwoContainersOnOneVolumeSeeOnlyTheirOwnMounts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	volume := h.on(t, "ext4", 0)
	one, two := h.start(t, mayMount.at(volume, "")), h.start(t, mayMount.at(volume, ""))

	view := one.get(t, "r1", "copy-on-write")
	one.must(t, "sh", "-c", "echo one > "+view.Path+"/src/a.txt")
	if out, code := two.exec(t, "ls", view.Path); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("the other container sees something: exit code %d, %q; docs/containers.md says an empty directory", code, out)
	}
	// It is told so, instead of being given an empty workspace, or a second mount
	// that would break the first.
	if out, code := two.exec(t, "cordon", "get", h.target, "--run", "r1", "--isolation", "copy-on-write"); code != 5 || !strings.Contains(out, "container") {
		t.Errorf("the other container asks for the same run: exit code %d, want 5 (busy) and a word of containers\n%s", code, out)
	}
	// Each works on runs of its own, and sweeps beside the other.
	other := two.get(t, "r2", "copy-on-write")
	two.must(t, "sh", "-c", "echo two > "+other.Path+"/src/a.txt")
	shared := one.get(t, "r3", "shared")
	if same := two.get(t, "r4", "shared"); same.Path != shared.Path {
		t.Errorf("shared trees at %s and %s", shared.Path, same.Path)
	}
	for _, b := range []*box{one, two} {
		b.must(t, "cordon", "cache", "gc")
		if out, code := b.exec(t, "touch", shared.Path+"/new"); code == 0 {
			t.Errorf("a shared tree was written to\n%s", out)
		}
	}
	if a, b := one.must(t, "cat", view.Path+"/src/a.txt"), two.must(t, "cat", other.Path+"/src/a.txt"); a != "one" || b != "two" {
		t.Errorf("after both have swept: %q and %q", a, b)
	}
	// A cleanup from the other container is a cleanup.
	two.must(t, "cordon", "cleanup", view.Path, "--run", "r1")
	if out, code := one.exec(t, "cat", view.Path+"/src/a.txt"); code == 0 {
		t.Errorf("the workspace is there after its cleanup: %s", out)
	}
}

func TestTwoContainersOnOneVolumeShareWorkspacesThatArePlainTrees(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	volume := h.on(t, "xfs", 0)
	one, two := h.start(t, settings{}.at(volume, "")), h.start(t, settings{}.at(volume, ""))
	get := func(b *box) string {
		return b.must(t, "env", plainTrees, "cordon", "get", h.target, "--run", "r1", "--isolation", "copy-on-write")
	}
	path := get(one)
	one.must(t, "sh", "-c", "echo one > "+path+"/src/a.txt")
	if again := get(two); again != path || two.must(t, "cat", again+"/src/a.txt") != "one" {
		t.Errorf("%s in one container, %s in the other", path, again)
	}
}

// With its mount namespace, all that a container has mounted is gone.
func TestARestartedContainerGetsItsMountsBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	volume := h.on(t, "ext4", 0)
	before := h.start(t, mayMount.at(volume, ""))
	asked, swept := before.get(t, "r1", "copy-on-write"), before.get(t, "r2", "copy-on-write")
	shared := before.get(t, "r3", "shared")
	for _, w := range []workspace{asked, swept} {
		before.must(t, "sh", "-c", "echo mine > "+w.Path+"/src/a.txt")
	}
	before.stop(t)

	after := h.start(t, mayMount.at(volume, ""))
	if out, code := after.exec(t, "ls", swept.Path); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("before anybody has looked: exit code %d, %q; docs/containers.md says an empty directory", code, out)
	}
	if again := after.get(t, "r1", "copy-on-write"); again.Path != asked.Path || len(again.Notes) > 0 {
		t.Errorf("asked again: %+v, was %+v", again, asked)
	}
	// A worker's own sweeps mount what runs hold; a command's do not, for it may run
	// in another container than the worker.
	after.must(t, "cordon", "cache", "gc")
	if out, code := after.exec(t, "ls", swept.Path); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("after a command's sweep: exit code %d, %q", code, out)
	}
	after.get(t, "r2", "copy-on-write")
	after.get(t, "r3", "shared")
	for _, w := range []workspace{asked, swept} {
		if got := after.must(t, "cat", w.Path+"/src/a.txt"); got != "mine" {
			t.Errorf("%s: %q", w.Path, got)
		}
	}
	if out, code := after.exec(t, "touch", shared.Path+"/new"); code == 0 || !strings.Contains(out, "Read-only file system") {
		t.Errorf("the shared tree after a restart: exit code %d\n%s", code, out)
	}
}

// Where the volume's mount is shared with the host's, mounts in it are, too.
func TestMountsOnASharedVolumeAreSeenByTheHostAndOtherContainers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	volume := h.on(t, "ext4", 0)
	if err := unix.Mount("", filepath.Dir(volume), "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	early := h.start(t, settings{}.at(volume, "rslave"))
	worker := h.start(t, mayMount.at(volume, "rshared"))
	view := worker.get(t, "r1", "copy-on-write")
	worker.must(t, "sh", "-c", "echo mine > "+view.Path+"/src/a.txt")
	onHost := filepath.Join(volume, strings.TrimPrefix(view.Path, "/cache/"))
	t.Cleanup(func() { unmountBelow(t, volume) })

	late := h.start(t, settings{}.at(volume, "rslave"))
	private := h.start(t, settings{}.at(volume, "rprivate"))
	for who, b := range map[string]*box{"started before": early, "started after": late, "private, started after": private} {
		if got := b.must(t, "cat", view.Path+"/src/a.txt"); got != "mine" {
			t.Errorf("a container %s sees %q", who, got)
		}
	}
	if f := worker.doctor(t)["propagation"]; !strings.HasPrefix(f.Found, "shared") {
		t.Errorf("propagation: %+v", f)
	}

	// The host keeps the mount when the worker's container is gone, and the next
	// one finds it there.
	worker.stop(t)
	if got, err := os.ReadFile(filepath.Join(onHost, "src/a.txt")); err != nil || string(got) != "mine\n" {
		t.Errorf("on the host, after the worker: %q, %v", got, err)
	}
	next := h.start(t, mayMount.at(volume, "rshared"))
	if again := next.get(t, "r1", "copy-on-write"); again.Path != view.Path || len(again.Notes) > 0 {
		t.Errorf("the next worker: %+v", again)
	}
	next.must(t, "cordon", "cleanup", view.Path, "--run", "r1")
	next.must(t, "cordon", "cache", "gc")
	if left := mountsBelow(t, volume); len(left) > 0 {
		t.Errorf("on the host, after the cleanup: %q", left)
	}
}

// The snippets share the name of their volume: whoever tries the unprivileged one
// first goes on with the other one.
func TestACacheThatAnotherUserBeganIsUsedByRootButNotTheOtherWay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const user = 10001
	volume := h.on(t, "ext4", user)
	somebody := settings{only: []string{}, user: user}
	first := h.start(t, somebody.at(volume, ""))
	view := first.get(t, "r1", "copy-on-write")
	first.must(t, "sh", "-c", "echo mine > "+view.Path+"/src/a.txt")
	first.stop(t)

	root := h.start(t, settings{only: snippetCapabilities}.at(volume, ""))
	root.get(t, "r1", "copy-on-write")
	if got := root.must(t, "cat", view.Path+"/src/a.txt"); got != "mine" {
		t.Errorf("root finds %q", got)
	}
	root.worksWith(t, "overlay", true)
	held := root.get(t, "r2", "shared")
	root.stop(t)

	back := h.start(t, somebody.at(volume, ""))
	if out, code := back.exec(t, "cordon", "get", h.target, "--run", "r2", "--isolation", "shared"); code == 0 || !strings.Contains(out, "permission denied") {
		t.Errorf("get %s after root: exit code %d\n%s", held.Path, code, out)
	}
}

// People look into a live cache, and empty it.
func TestALiveCacheMayBeMeasuredAndEmptied(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.start(t, mayMount.at(h.on(t, "ext4", 0), ""))
	const size = 3 << 20
	project := filepath.Join(h.dir, "large")
	if err := os.WriteFile(project, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", "-c", "cd "+h.dir+" && mkdir -p store/targets/large && tar -cf store/targets/large/target large && chmod -R a+rX store").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var paths []string
	for _, run := range []string{"r1", "r2", "r3", "r4"} {
		paths = append(paths, b.must(t, "cordon", "get", "large", "--run", run, "--isolation", "copy-on-write"))
	}
	kilobytes := func(args ...string) int {
		n, err := strconv.Atoi(strings.Fields(b.must(t, args...))[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// Each view counts its base again without -x.
	all, once := kilobytes("du", "-sk", "/cache"), kilobytes("du", "-skx", "/cache")
	if views := len(paths) * size >> 10; once > all-views || once < size>>10 {
		t.Errorf("du -s: %d kB, du -sx: %d kB; want a difference of %d", all, once, views)
	}

	_, _ = b.exec(t, "sh", "-c", "rm -rf /cache/*") // it complains of what is mounted, and removes the rest
	again := b.must(t, "cordon", "get", "large", "--run", "r1", "--isolation", "copy-on-write")
	if got := kilobytes("du", "-sk", again); got < size>>10 {
		t.Errorf("after rm -rf: %d kB in the workspace", got)
	}
}
