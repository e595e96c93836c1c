package contract_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is in the cache directory, and what is left over.

var modes = []string{"isolated", "shared", "copy-on-write"}

// published is what the cache shows of target T once its run-1 has a workspace.
func published(id, run, mode string) []string {
	own, shared, base := id+"/"+run+"/", id+"/", id+"/shared/"
	switch mode {
	case "isolated":
		return []string{own + "target", own + "workspace"}
	case "shared":
		return []string{shared + "target", shared + "workspace"}
	}
	return []string{own + "workspace", base + "target", base + "workspace"}
}

// mustHold fails unless the cache directory holds what is named and nothing else:
// nothing under way or half made, and, where nothing is named, no trace either.
func (d *desk) mustHold(want ...string) {
	d.t.Helper()
	must := slices.Sorted(slices.Values(want))
	waitFor(d.t, func() (string, bool) { // deletions go on behind the caller's back
		shown, hidden := d.contents()
		if slices.Equal(shown, must) && len(hidden) == 0 {
			return "", true
		}
		return "the cache shows " + strings.Join(shown, ", ") + " and keeps " + strings.Join(hidden, ", ") + "; it should show " + strings.Join(must, ", "), false
	})
}

// contents returns what the cache shows, without what is inside of workspaces,
// and what else there is: always what is under way, and what belongs to entries
// where none is shown.
func (d *desk) contents() (shown, hidden []string) {
	rest := []string{"staging", "reservations", "trash", "tombstones", "quarantine"}
	_ = filepath.WalkDir(d.cacheDir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(d.cacheDir, path)
		switch {
		case err != nil || rel == "." || rel == "CACHEDIR.TAG":
		case rel == ".cordon", e.Name() == ".overlay": // how a view is made is its driver's business
			return fs.SkipDir
		case e.Name() == "workspace" || !e.IsDir():
			shown = append(shown, rel)
			if e.IsDir() {
				return fs.SkipDir
			}
		default:
			if below, _ := os.ReadDir(path); len(below) == 0 {
				shown = append(shown, rel)
			}
		}
		return nil // what went meanwhile is not there
	})
	if len(shown) == 0 {
		rest = append(rest, "records", "holds", "bases", "uppers", "settled", "manifests")
	}
	for _, name := range rest {
		below, _ := os.ReadDir(filepath.Join(d.cacheDir, ".cordon", name)) // what is not there is empty
		for _, e := range below {
			hidden = append(hidden, name+"/"+e.Name())
		}
	}
	slices.Sort(shown)
	return shown, hidden
}

// mustBeArriving waits until n bytes of an object are in the cache, and part of
// its tree.
func (d *desk) mustBeArriving(n int64) {
	d.t.Helper()
	waitFor(d.t, func() (string, bool) {
		objects, _ := filepath.Glob(filepath.Join(d.cacheDir, ".cordon/staging/*/entry/target"))
		files, _ := filepath.Glob(filepath.Join(d.cacheDir, ".cordon/staging/*/entry/workspace/*"))
		for _, o := range objects {
			if info, err := os.Stat(o); err == nil && info.Size() >= n && len(files) > 0 {
				return "", true
			}
		}
		return "nothing of the target arrives", false
	})
}

// waitFor waits until ok says so, and fails the test with what it says after the
// five seconds that anything may take to be over (CONTRACT §1.6), and as many for
// a busy machine.
func waitFor(t *testing.T, ok func() (string, bool)) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		says, done := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Error(says)
			return
		}
	}
}

// mustFetchNothing fails if anything in this process fetches or extracts.
func mustFetchNothing(t *testing.T) {
	t.Helper()
	waitFor(t, func() (string, bool) {
		buf := make([]byte, 1<<20)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			for _, frame := range []string{"s3.(*fetch)", "s3.(*segment)", "s3.(*reader)", "workspace.(*arrival)", "workspace.(*Cache).receive", "cordon/archive."} {
				if strings.Contains(g, frame) {
					return "a fetch goes on:\n" + g, false
				}
			}
		}
		return "", true
	})
}
