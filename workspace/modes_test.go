package workspace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/workspace"
)

func TestPaths(t *testing.T) {
	for _, tc := range []struct {
		mode          cordon.Mode
		archive, file string
		beside        []string // what the seed's drawing shows beside an archive's workspace
	}{
		{cordon.Isolated, "T/R/workspace", "F/R/target", []string{"T/R/target"}},
		{cordon.Shared, "T/workspace", "F/target", []string{"T/target"}},
		{cordon.CopyOnWrite, "T/R/workspace", "F/R/target", []string{"T/shared/target", "T/shared/workspace"}},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			b.put("F", []byte("just a file"))

			ws := b.get("T", "R", tc.mode)
			if got := b.rel(ws.Path); got != tc.archive {
				t.Errorf("path of an archive = %s, want %s", got, tc.archive)
			}
			mustBeTree(t, ws.Path, project)
			for _, name := range tc.beside {
				mustExist(t, b.path(name))
			}
			ws = b.get("F", "R", tc.mode)
			if got := b.rel(ws.Path); got != tc.file {
				t.Errorf("path of a file = %s, want %s", got, tc.file)
			}
			content, err := os.ReadFile(ws.Path)
			must(t, err)
			if string(content) != "just a file" {
				t.Errorf("content = %q", content)
			}
			b.mustBeTidy()
		})
	}
}

func TestSameRunAgain(t *testing.T) {
	for _, mode := range modes {
		t.Run(name("%s: same path, same content, no new download, though the object was replaced", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			first := b.get("T", "R", mode)
			if first.Hit {
				t.Error("the first call says it was a hit")
			}
			opens := b.store.opens.Load()
			b.put("T", tree{"other": "content"}.tarball(t))
			again := b.get("T", "R", mode)
			if again.Path != first.Path || !again.Hit || again.ETag != first.ETag {
				t.Errorf("again = %+v, first = %+v", again, first)
			}
			mustBeTree(t, again.Path, project)
			if n := b.store.opens.Load(); n != opens {
				t.Errorf("%d more downloads", n-opens)
			}
		})
	}
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		t.Run(name("%s: what the run wrote is kept", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			ws := b.get("T", "R", mode)
			must(t, os.WriteFile(filepath.Join(ws.Path, "crash-1"), []byte("!"), 0o644))
			ws = b.get("T", "R", mode)
			mustExist(t, filepath.Join(ws.Path, "crash-1"))
		})
	}
}

func TestRunsDoNotSeeEachOther(t *testing.T) {
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		t.Run(string(mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			one, two := b.get("T", "one", mode), b.get("T", "two", mode)
			must(t, os.WriteFile(filepath.Join(one.Path, "main.py"), []byte("changed"), 0o644))
			must(t, os.RemoveAll(filepath.Join(one.Path, "pkg")))
			must(t, os.WriteFile(filepath.Join(one.Path, "new"), nil, 0o644))
			mustBeTree(t, two.Path, project)
			mustBeTree(t, b.get("T", "three", mode).Path, project)
		})
	}
}

func TestDownloads(t *testing.T) {
	for _, tc := range []struct {
		name  string
		modes []cordon.Mode // of run 0, run 1, …
		want  int64
	}{
		{"isolated downloads once a run", []cordon.Mode{cordon.Isolated, cordon.Isolated, cordon.Isolated}, 3},
		{"shared downloads once", []cordon.Mode{cordon.Shared, cordon.Shared, cordon.Shared}, 1},
		{"copy-on-write downloads once", []cordon.Mode{cordon.CopyOnWrite, cordon.CopyOnWrite}, 1},
		{"shared after copy-on-write downloads nothing", []cordon.Mode{cordon.CopyOnWrite, cordon.Shared}, 1},
		{"copy-on-write after shared downloads nothing", []cordon.Mode{cordon.Shared, cordon.CopyOnWrite}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			for i, mode := range tc.modes {
				mustBeTree(t, b.get("T", name("run-%d", i), mode).Path, project)
			}
			if got := b.store.opens.Load(); got != tc.want {
				t.Errorf("%d downloads, want %d", got, tc.want)
			}
			if got := b.log.count("Cache MISS"); int64(got) != tc.want {
				t.Errorf("%d lines say Cache MISS, want %d", got, tc.want)
			}
			if got := b.log.count("Cache HIT"); got != len(tc.modes)-int(tc.want) {
				t.Errorf("%d lines say Cache HIT, want %d", got, len(tc.modes)-int(tc.want))
			}
			b.mustBeTidy()
		})
	}
}

func TestModesOfFiles(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	perm := func(ws workspace.Workspace, name string) os.FileMode {
		info, err := os.Stat(filepath.Join(ws.Path, name))
		must(t, err)
		return info.Mode().Perm()
	}
	for _, order := range [][]cordon.Mode{{cordon.Shared, cordon.CopyOnWrite}, {cordon.CopyOnWrite, cordon.Shared}} {
		id := "via-" + string(order[0])
		b.put(id, project.tarball(t))
		for _, mode := range append(order, cordon.Isolated) {
			ws := b.get(id, "R-"+string(mode), mode)
			want := map[string]os.FileMode{".": 0o755, "pkg": 0o755, "main.py": 0o644, "pkg/run.sh": 0o755}
			if mode == cordon.Shared {
				want = map[string]os.FileMode{".": 0o555, "pkg": 0o555, "main.py": 0o444, "pkg/run.sh": 0o555}
			}
			for n, m := range want {
				if got := perm(ws, n); got != m {
					t.Errorf("%s: mode of %s in %s = %o, want %o", id, n, mode, got, m)
				}
			}
			if ws.ReadOnly != (mode == cordon.Shared) {
				t.Errorf("%s: ReadOnly = %v", mode, ws.ReadOnly)
			}
		}
	}
}

func TestExtractPolicy(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	req := request("T", "as-file", cordon.Shared)
	req.Extract = archive.Never
	whole, err := b.cache.Get(t.Context(), req)
	must(t, err)
	if got := b.rel(whole.Path); got != "T/target" {
		t.Errorf("an archive that is never extracted is at %s", got)
	}
	// The same object under another policy is other content: it must not take
	// the path away from the run that has the first.
	auto := b.get("T", "as-tree", cordon.Shared)
	if got := b.rel(auto.Path); got != "T/as-tree/workspace" {
		t.Errorf("the second policy's path = %s", got)
	}
	mustBeTree(t, auto.Path, project)
	mustExist(t, whole.Path)
}
