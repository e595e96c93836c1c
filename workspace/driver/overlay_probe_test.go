package driver_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// probeOverlay probes in dir, and expects nothing to be left.
func probeOverlay(t *testing.T, dir string) *driver.Probed {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	p := driver.ByName(driver.Probe(root), "overlay")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("probing left %v, %v", left, err)
	}
	if left, err := mounts.Below(dir); err != nil || len(left) > 0 {
		t.Errorf("probing left mounts %+v, %v", left, err)
	}
	return p
}

func TestProbingOverlaySaysThatARightIsMissing(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	p := probeOverlay(t, t.TempDir())
	if p.Driver != nil || cordon.KindOf(p.Err) != cordon.PermissionDenied || !strings.Contains(cordon.FixOf(p.Err), "--cap-add SYS_ADMIN") {
		t.Errorf("%v", p.Err)
	}
}

// Containers and sandboxes that begin beside it have a copy of each mount, for a while.
func TestProbingOverlayWaitsForThoseWhoHaveItsMount(t *testing.T) {
	s := overlayStage(t)
	dir := s.path("trial")
	s.must(os.Mkdir(dir, 0o755))
	done := make(chan struct{})
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					if out, err := exec.Command("unshare", "-m", "--propagation", "private", "sleep", "0.3").CombinedOutput(); err != nil {
						t.Errorf("%v: %s", err, out)
						return
					}
				}
			}
		})
	}
	for range 10 {
		if p := probeOverlay(t, dir); p.Err != nil {
			t.Error(p.Err)
		}
	}
	close(done)
	starting.Wait()
}

func TestOverlayWithAllRightsHidesNothing(t *testing.T) {
	s := overlayStage(t)
	if s.user() {
		t.Skip("a user namespace has less")
	}
	dir := s.path("trial")
	s.must(os.Mkdir(dir, 0o755))
	p := probeOverlay(t, dir)
	s.must(p.Err)
	if got, want := p.Driver.Traits(), (driver.Traits{NeedsBase: true, Volatile: true, Mounted: true}); got != want || p.Note != "" {
		t.Errorf("traits %+v, want %+v; note %q", got, want, p.Note)
	}
}

func TestOverlayProbingSaysThatAFileSystemIsUnfit(t *testing.T) {
	s := overlayStage(t)
	s.view("run")
	s.must(os.Mkdir(s.path("run/workspace/in"), 0o755))
	p := probeOverlay(t, s.path("run/workspace/in"))
	if p.Driver != nil || !strings.Contains(fmt.Sprint(p.Err), "not on an overlayfs") || !strings.Contains(cordon.FixOf(p.Err), "volume") {
		t.Errorf("%v", p.Err)
	}
}

func TestOverlayProbingLeavesNothingWhereverItFails(t *testing.T) {
	s := overlayStage(t)
	dir := s.path("small")
	s.must(os.Mkdir(dir, 0o755))
	failed := 0
	for inodes := 2; ; inodes++ { // one is the top directory's
		s.must(unix.Mount("test", dir, "tmpfs", 0, fmt.Sprintf("nr_inodes=%d", inodes)))
		p := probeOverlay(t, dir)
		s.must(unix.Unmount(dir, 0))
		if p.Err == nil {
			break
		}
		if !errors.Is(p.Err, unix.ENOSPC) || cordon.KindOf(p.Err) != cordon.NoSpace {
			t.Errorf("with %d inodes: %v", inodes, p.Err)
		}
		if failed++; failed > 100 {
			t.Fatal("it never works")
		}
	}
	if failed < 10 {
		t.Errorf("it failed with %d numbers of inodes only", failed)
	}
}

func TestOverlayProbingOnAReadOnlyFileSystemSaysSo(t *testing.T) {
	s := overlayStage(t)
	dir := s.path("ro")
	s.must(os.Mkdir(dir, 0o755))
	s.must(mounts.BindReadOnly(s.open(""), "ro"))
	if p := probeOverlay(t, dir); !errors.Is(p.Err, unix.EROFS) || errors.Is(p.Err, fs.ErrPermission) || cordon.FixOf(p.Err) == "" {
		t.Errorf("%v", p.Err)
	}
}
