package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/sandbox"
)

// overlay mounts a view of a tree that holds the file "below".
func overlay(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := publicDir(t)
	for _, d := range []string{"lower", "upper", "work", "view"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "lower", "below"), []byte("below\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	view := filepath.Join(dir, "view")
	if err := unix.Mount("overlay", view, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)); err != nil {
		t.Skipf("no overlay can be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(view, unix.MNT_DETACH) })
	return view
}

func TestAWorkspaceThatIsAnOverlayMount(t *testing.T) {
	view := overlay(t)
	s := open(t)
	r, out := run(t, s, sandbox.Command{Workspace: view}, "cat below; echo new > below; echo made > made")
	if r.ExitCode != 0 || out != "below" {
		t.Errorf("%+v %s", r, out)
	}
	for name, want := range map[string]string{"below": "new\n", "made": "made\n"} {
		if b, err := os.ReadFile(filepath.Join(view, name)); string(b) != want {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
	if s.Report().Tier != sandbox.Full {
		return
	}
	if r.Report.Tier != sandbox.Rootless || r.Report.Keeps(sandbox.OwnUser) || len(r.Report.Missing) == 0 {
		t.Errorf("the report is %+v", r.Report)
	}
	strict, err := sandbox.New(sandbox.Options{StateDir: t.TempDir(), MinTier: sandbox.Full})
	if err != nil {
		t.Fatal(err)
	}
	_, err = strict.Run(context.Background(), sandbox.Command{Args: []string{"true"}, Workspace: view})
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "own-user") {
		t.Errorf("where tier full is required: %v", err)
	}
	// The view of one who only reads needs no user's disguise.
	if r, err := strict.Run(context.Background(), sandbox.Command{Args: []string{"true"}, Workspace: view, ReadOnly: true}); err != nil || r.Report.Tier != sandbox.Full {
		t.Errorf("read-only: %+v, %v", r, err)
	}
}

func TestTheHostsUnmountIsNotKeptUpByASandbox(t *testing.T) {
	view, ws := overlay(t), t.TempDir()
	out := make(signalWriter)
	p, err := open(t).Start(context.Background(), sandbox.Command{Args: []string{"sh", "-c", "echo ready; exec sleep 600"}, Workspace: ws, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	<-out
	if err := unix.Unmount(view, 0); err != nil {
		t.Errorf("unmount: %v", err)
	}
	// While anything has the view mounted, its upper directory cannot be used again. A container
	// that starts, or another sandbox, has copies of all mounts for a moment.
	dir := filepath.Dir(view)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := unix.Mount("overlay", view, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work,index=on", dir))
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			t.Errorf("mount again: %v", err)
			break
		}
	}
	p.Kill()
	if _, err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestASharedWorkspaceIsReadAndNotWritten(t *testing.T) {
	everyTier(t, func(t *testing.T, s *sandbox.Sandbox) {
		if !s.Report().Keeps(sandbox.ReadOnly) {
			t.Skip("nothing keeps it")
		}
		base := publicDir(t)
		shared := filepath.Join(base, "workspace")
		if err := os.Mkdir(shared, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(shared, "file"), []byte("shared\n"), 0o444); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			root, err := os.OpenRoot(base)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := mounts.BindReadOnly(root, "workspace"); err == nil {
				t.Cleanup(func() { unix.Unmount(shared, unix.MNT_DETACH) })
			}
		}
		r, out := run(t, s, sandbox.Command{Workspace: shared, ReadOnly: true}, "cat file; echo x >> file; chmod 777 file; touch new; echo ok > $TMPDIR/x && cat $TMPDIR/x")
		if r.ExitCode != 0 || !strings.HasPrefix(out, "shared\n") || !strings.HasSuffix(out, "\nok") {
			t.Errorf("%+v %s", r, out)
		}
		if b, err := os.ReadFile(filepath.Join(shared, "file")); string(b) != "shared\n" {
			t.Errorf("it holds %q, %v", b, err)
		}
	})
}
