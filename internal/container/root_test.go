package container

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// rootVersion changes when what is in the root does.
const rootVersion = "1"

// rootfs returns the root of the containers: a minimal system of this machine's
// own release, so that a program which is linked here finds its libraries there.
// It is made once, beside the other tools that tests need, and never written to
// afterwards.
func rootfs(t *testing.T) string {
	t.Helper()
	release := osRelease(t, "VERSION_CODENAME")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no cache folder to keep a container's root in: %v", err)
	}
	dir := filepath.Join(cache, "cordon-tools", "container-"+release+"-"+rootVersion)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir // renamed into place when it was complete
	}

	debootstrap := program(t, "debootstrap")
	t.Logf("making the containers' root, about half a minute")
	making := dir + ".making"
	unmountBelow(t, making) // what a killed debootstrap has left
	if err := os.RemoveAll(making); err != nil {
		t.Fatal(err)
	}
	args := []string{"--variant=minbase", release, making}
	if mirror := mirrorOf(release); mirror != "" {
		args = append(args, mirror)
	}
	if out, err := exec.CommandContext(t.Context(), debootstrap, args...).CombinedOutput(); err != nil {
		t.Skipf("debootstrap failed (without a network it must): %v\n%s", err, tail(out))
	}
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mirrorOf returns where this machine's apt has release from, or "" where that is
// not known; debootstrap has a default of its own.
func mirrorOf(release string) string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return "" // no apt here, or one that is too old to say
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == release && f[1] == "main" {
			return f[2]
		}
	}
	return ""
}

func osRelease(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Skipf("which release is this? %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return strings.Trim(v, `"`)
		}
	}
	t.Skipf("/etc/os-release has no %s", name)
	return ""
}

// program finds a program, also where root's PATH lacks the system's folders.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, n := range names {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			if path, err := exec.LookPath(filepath.Join(dir, n)); err == nil {
				return path
			}
		}
	}
	t.Skipf("%s is not installed", strings.Join(names, " or "))
	return ""
}

// tail returns the last lines of a program's talk.
func tail(out []byte) string {
	const lines = 15
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(all) > lines {
		all = append([]string{fmt.Sprintf("… %d lines", len(all)-lines)}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}
