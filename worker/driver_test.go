package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// onOverlay returns a directory on an overlay file system, which cannot be the
// ground of another one: what a container has where no volume is mounted.
func onOverlay(t *testing.T) string {
	t.Helper()
	dir := loopfs.New(t, "tmpfs", 64<<20)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
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
	return merged
}

func TestAWorkerSaysAtItsStartHowWorkspacesAreMade(t *testing.T) {
	dir := onOverlay(t)
	for _, tt := range []struct {
		setting string
		says    []string
		never   string
		kind    cordon.Kind
	}{
		{setting: "copy", says: []string{`level=INFO msg="copy-on-write driver" driver=copy setting=copy`}, never: "a better one"},
		{setting: "overlay,copy!", says: []string{`driver=copy setting=overlay,copy!`, `level=WARN msg="copy-on-write driver: a better one does not work here" driver=copy why="overlay: `}},
		{setting: "overlay!", kind: cordon.InvalidArgument},
	} {
		t.Run(tt.setting, func(t *testing.T) {
			opts, log := setup(t)
			opts.Config.CacheDir = dir
			var err error
			if opts.Config.CowDriver, err = driver.ParseSetting(tt.setting); err != nil {
				t.Fatal(err)
			}
			w, err := worker.New(opts)
			if cordon.KindOf(err) != tt.kind {
				t.Fatalf("the error is %v, want one of kind %q", err, tt.kind)
			}
			if err != nil {
				if !strings.Contains(err.Error(), "CACHE_COW_DRIVER=overlay!") {
					t.Errorf("%v does not name the setting", err)
				}
				return
			}
			w.Stop()
			for _, want := range tt.says {
				if !strings.Contains(log.String(), want) {
					t.Errorf("%q is missing in\n%s", want, log.String())
				}
			}
			if tt.never != "" && strings.Contains(log.String(), tt.never) {
				t.Errorf("%q is in\n%s", tt.never, log.String())
			}
		})
	}
}
