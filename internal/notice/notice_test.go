package notice_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/notice"
)

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

func watch(t *testing.T) (string, *notice.Watch) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "old"), []byte("x"), 0o644))
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	w, err := notice.On(d)
	if err != nil {
		t.Skip("this host allows no more watches:", err)
	}
	t.Cleanup(func() { w.Close() })
	return dir, w
}

func TestWhatChangesIsNamed(t *testing.T) {
	for what, tc := range map[string]struct {
		do   func(dir string) error
		want string
	}{
		"made":            {func(d string) error { return os.WriteFile(d+"/new", nil, 0o644) }, "new"},
		"removed":         {func(d string) error { return os.Remove(d + "/old") }, "old"},
		"written to":      {func(d string) error { return os.WriteFile(d+"/old", []byte("yy"), 0o644) }, "old"},
		"renamed away":    {func(d string) error { return os.Rename(d+"/old", d+"x") }, "old"},
		"renamed to":      {func(d string) error { return os.Rename(d+"/old", d+"/new") }, "new"},
		"time":            {func(d string) error { return os.Chtimes(d+"/old", time.Time{}, time.Unix(1, 0)) }, "old"},
		"linked":          {func(d string) error { return os.Link(d+"/old", d+"/new") }, "new"},
		"another process": {func(d string) error { return exec.Command("mv", d+"/old", d+"/moved").Run() }, "moved"},
	} {
		dir, w := watch(t)
		if names, ok := w.Changes(); len(names) > 0 || !ok {
			t.Errorf("%s: %q, %v before anything happened", what, names, ok)
		}
		must(t, tc.do(dir))
		if names, ok := w.Changes(); !slices.Contains(names, tc.want) || !ok {
			t.Errorf("%s: %q, %v, want %q among them", what, names, ok, tc.want)
		}
		if names, ok := w.Changes(); len(names) > 0 || !ok {
			t.Errorf("%s: %q, %v again", what, names, ok)
		}
	}
}

// What nobody knows all of is not guessed at.
func TestWhatIsLostIsSaid(t *testing.T) {
	for what, do := range map[string]func(dir string) error{
		"too many": func(dir string) error {
			for i := range 200_000 { // far beyond fs.inotify.max_queued_events by default
				if err := os.Chtimes(dir+"/"+[]string{"old", "two"}[i%2], time.Time{}, time.Unix(int64(i), 0)); err != nil {
					return err
				}
			}
			return nil
		},
		"the directory is gone":  os.RemoveAll,
		"the directory is moved": func(dir string) error { return os.Rename(dir, dir+"2") },
	} {
		dir, w := watch(t)
		must(t, os.WriteFile(filepath.Join(dir, "two"), nil, 0o644))
		must(t, do(dir))
		for range 2 {
			if names, ok := w.Changes(); ok {
				t.Errorf("%s: %d names, and no word of what is lost", what, len(names))
			}
		}
	}
}

func TestManyAreAllNamed(t *testing.T) {
	dir, w := watch(t)
	const n = 2000 // more than one read has room for
	for i := range n {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), nil, 0o644))
	}
	names, ok := w.Changes()
	slices.Sort(names)
	if names = slices.Compact(names); len(names) != n || !ok {
		t.Errorf("%d names, %v; want %d", len(names), ok, n)
	}
}
