package analyze

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func open(t *testing.T, dir string) *Tree {
	t.Helper()
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAListingHoldsRegularFilesAloneAndCountsTheRest(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret")
	write(t, dir, "b", "a/x", "a/.hidden", ".git/config", "sub/.git/HEAD", "sub/f")
	for name, to := range map[string]string{"out": outside, "a/in": "../b", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := open(t, dir).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range list.Files {
		got = append(got, f.Path)
	}
	if s := strings.Join(got, " "); s != "a/.hidden a/x b sub/f" {
		t.Errorf("files %s", s)
	}
	if s := strings.Join(list.Repos, " "); s != ". sub" {
		t.Errorf("repositories %s", s)
	}
	if list.Skipped[SkipLink] != 3 || list.Skipped[SkipSpecial] != 1 {
		t.Errorf("skipped %v", list.Skipped)
	}
}

func TestOpenFollowsNoLinkAndWaitsForNothing(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, outside, "secret")
	write(t, dir, "real/f", "f")
	for name, to := range map[string]string{"filelink": "f", "dirlink": "real", "out": outside} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir)
	if b, err := tree.ReadFile("real/f", 10); err != nil || string(b) != "real/f" {
		t.Errorf("%q, %v", b, err)
	}
	for _, p := range []string{"filelink", "dirlink/f", "out/secret", "fifo", "real", "../x", "/etc/passwd", "", ".", "real/../f", "none"} {
		if f, err := tree.Open(p); err == nil {
			f.Close()
			t.Errorf("%q was opened", p)
		}
	}
	if _, err := tree.Open("fifo"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a FIFO: %v", err)
	}
	if _, err := tree.ReadFile("real/f", 3); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestADeepTreeIsWalkedAsFarAsTheLimit(t *testing.T) {
	dir := t.TempDir()
	deep := strings.Repeat("d/", maxDepth+20)
	write(t, dir, deep+"f", strings.Repeat("d/", maxDepth-1)+"g")
	list, err := open(t, dir).List(t.Context())
	if err != nil || len(list.Files) != 1 || list.Skipped[SkipTooDeep] != 1 {
		t.Errorf("%d files, %v, %v", len(list.Files), list.Skipped, err)
	}
}

func TestADirectoryThatIsNoneIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "f")
	for _, p := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "f")} {
		if _, err := OpenTree(p); cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestEachCallsForEveryFileAndStopsWhenCancelled(t *testing.T) {
	files := make([]File, 1000)
	var calls atomic.Int64
	last := 0
	err := Each(t.Context(), files, func(done, total int) {
		if done != last+1 || total != 1000 {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}, func(context.Context, File) { calls.Add(1) })
	if err != nil || calls.Load() != 1000 || last != 1000 {
		t.Errorf("%d calls, %d told, %v", calls.Load(), last, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls.Store(0)
	err = Each(ctx, files, nil, func(context.Context, File) {
		if calls.Add(1) == 10 {
			cancel()
		}
		time.Sleep(time.Millisecond)
	})
	if !errors.Is(err, context.Canceled) || calls.Load() > 10+maxWorkers {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

func TestLanguagesAndVendoredAndMinifiedFilesAreKnown(t *testing.T) {
	for p, want := range map[string]Language{"a/b.PY": Python, "x.tsx": TypeScript, "Dockerfile": "dockerfile", "Rakefile": Ruby, "a": "", "b.unknown": ""} {
		if got := LanguageOf(p); got != want {
			t.Errorf("%s is %q, want %q", p, got, want)
		}
	}
	for p, want := range map[string]bool{"node_modules/a.js": true, "x/vendor/y/z.go": true, "vendor.go": false, "src/distance/a.js": false} {
		if IsVendored(p) != want {
			t.Errorf("%s vendored: %v", p, !want)
		}
	}
	if !IsMinified("a.min.js", nil) || IsMinified("a.js", []byte(strings.Repeat("short line\n", 1000))) || !IsMinified("a.js", []byte(strings.Repeat("x", 5000))) {
		t.Error("minified files")
	}
}
