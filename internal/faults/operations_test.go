package faults_test

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/workspace"
)

// operation is something that the engine does and that is struck in the middle.
type operation struct {
	name   string
	driver string
	most   int64 // CACHE_MAX_SIZE
	bare   bool  // the cache directory does not exist

	// prepare makes what is there before, and says what is to be done.
	prepare func(s *scene) order

	// again does the same afterwards, with a cache that is open, and finds it done.
	again func(s *scene, c *workspace.Cache, o order)
}

// The run that is struck, and the target that it wants.
const (
	wanted = "wanted"
	runner = "runner"
	other  = "other" // a run that had the same target before
)

// gets is an order to get the target, which no copy of is in the cache.
func gets(mode string, before ...func(*scene)) func(*scene) order {
	return func(s *scene) order {
		s.put(wanted, small)
		s.versions = []tree{small}
		for _, f := range before {
			f(s)
		}
		return order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: mode}
	}
}

// warm lets another run have the target first, and keep it.
func warm(mode string) func(*scene) {
	return func(s *scene) { s.get(wanted, other, mode) }
}

// left lets another run have had it, so that nobody holds it.
func left(mode string) func(*scene) {
	return func(s *scene) { s.cleanup(s.get(wanted, other, mode), other) }
}

// replaced puts a new version into the store after runs had the old one.
func replaced(s *scene) {
	newer := small.with("main.c", "int main();")
	s.put(wanted, newer)
	s.versions = []tree{newer}
}

// getsIt asks once more, in this process, and compares every byte.
func getsIt(s *scene, c *workspace.Cache, o order) {
	s.Helper()
	ws, err := c.Get(s.Context(), request(o.Target, o.Run, o.Mode))
	if err != nil {
		s.Errorf("the same call: %v", err)
		return
	}
	if diff := s.incomplete(ws.Path); diff != "" {
		s.Errorf("the same call: %s", diff)
	}
}

// incomplete says where the tree at path is none of the versions there may be.
func (s *scene) incomplete(path string) (diff string) {
	for _, v := range s.versions {
		if diff = v.differs(path); diff == "" {
			return ""
		}
	}
	return diff
}

// cleansUp is an order to clean up after a run that has the target.
func cleansUp(mode string) func(*scene) order {
	return func(s *scene) order {
		s.put(wanted, small)
		s.versions = []tree{small}
		return order{settings: s.settings, Op: opCleanup, Run: runner, Path: s.get(wanted, runner, mode)}
	}
}

// cleansIt does it once more: what is gone is gone, and the run may come back.
func cleansIt(mode string) func(*scene, *workspace.Cache, order) {
	return func(s *scene, c *workspace.Cache, o order) {
		s.Helper()
		if _, err := c.Cleanup(s.Context(), o.Path, workspace.Caller{Run: runner}); err != nil {
			s.Errorf("the same call: %v", err)
		}
		if _, err := os.Lstat(o.Path); err == nil && mode != "shared" {
			s.Errorf("%s is still there", o.Path)
		}
		all, err := c.Entries()
		must(s, err)
		for _, e := range all {
			for _, h := range e.Holders {
				if h.Run == runner {
					s.Errorf("%s is still held", e.Path)
				}
			}
		}
		getsIt(s, c, order{Target: wanted, Run: runner, Mode: mode})
		_, err = c.Cleanup(s.Context(), o.Path, workspace.Caller{Run: runner})
		must(s, err)
	}
}

// evictable are the entries that have to go for the target to fit.
var evictable = []string{"old-1", "old-2", "old-3"}

// needsRoom fills the cache with what nobody holds.
func needsRoom(s *scene) {
	s.versions = []tree{{"blob": random(1, 300<<10)}}
	s.put(wanted, s.versions[0])
	for i, id := range evictable {
		s.put(id, tree{"blob": random(uint64(i), 200<<10)})
		s.cleanup(s.get(id, other, "shared"), other)
	}
}

func getsRoom(s *scene, c *workspace.Cache, o order) {
	s.Helper()
	getsIt(s, c, o)
	u, err := c.Usage()
	must(s, err)
	if u.Recorded+u.Reserved > u.MaxSize {
		s.Errorf("%d recorded and %d reserved of %d", u.Recorded, u.Reserved, u.MaxSize)
	}
}

// rubbish is one of each kind of what a sweep takes away.
func rubbish(s *scene) order {
	s.put(wanted, small)
	month := time.Now().Add(-30 * 24 * time.Hour)
	age := func(pattern string) {
		files, err := filepath.Glob(s.path(pattern))
		must(s, err)
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), wanted) || strings.Contains(f, "holds") && strings.Contains(string(b), runner) {
				must(s, os.Chtimes(f, month, month))
			}
		}
	}
	for _, mode := range []string{"isolated", "shared", "copy-on-write"} {
		path := s.get(wanted, runner+"-"+mode, mode)
		if mode == "shared" {
			s.cleanup(path, runner+"-shared")
		}
	}
	age(".cordon/holds/*/*.json")
	age(".cordon/records/*.json")
	// Two whose publishing was interrupted: before its rename, and after.
	for i, r := range []string{"unborn", "newborn"} {
		s.get(wanted, r, "isolated")
		for _, e := range s.records() {
			if e.Run == r {
				file := s.path(".cordon/records/" + e.Key + ".json")
				b, err := os.ReadFile(file)
				must(s, err)
				must(s, os.WriteFile(file, []byte(strings.Replace(string(b), `"complete"`, `"publishing"`, 1)), 0o644))
				if i == 0 {
					must(s, os.RemoveAll(s.path(e.Place)))
				}
			}
		}
	}
	for dir, content := range map[string]string{
		".cordon/staging/dead/entry/workspace/half": "ha", ".cordon/reservations/dead": `{"id":"dead","bytes":100}`,
		".cordon/trash/taken/entry/file": "x", ".cordon/holds/run-0123/x.json": "{", ".cordon/settled/dead": "", ".cordon/manifests/dead": "x",
		".cordon/records/run-4567.json": "", ".cordon/quarantine/q/workspace/file": "x", ".cordon/holds/.tmp-x": "x",
	} {
		must(s, os.MkdirAll(filepath.Dir(s.path(dir)), 0o755))
		must(s, os.WriteFile(s.path(dir), []byte(content), 0o644))
		must(s, os.Chtimes(s.path(dir), month, month))
	}
	o := s.settings
	o.Ahead = 10 * time.Minute // what was made a moment ago is settled
	return order{settings: o, Op: opSweep}
}

// isSwept looks at what only a sweep with a time to live takes away.
func isSwept(s *scene, c *workspace.Cache, _ order) {
	s.Helper()
	if _, err := c.Sweep(s.Context(), workspace.SweepOptions{Restore: true}); err != nil {
		s.Errorf("the same call: %v", err)
	}
	all, err := c.Entries()
	must(s, err)
	for _, e := range all {
		if e.Target == mustTarget(wanted) {
			s.Errorf("%s is still there: %+v", e.Path, e.Holders)
		}
	}
}

// opens is an order to open the cache.
func opens(s *scene) order { return order{settings: s.settings, Op: opOpen} }

func opensIt(mode string) func(*scene, *workspace.Cache, order) {
	return func(s *scene, c *workspace.Cache, _ order) {
		s.Helper()
		s.put(wanted, small)
		s.versions = []tree{small}
		getsIt(s, c, order{Target: wanted, Run: runner, Mode: mode})
	}
}

// operations are all that the engine does with its disk.
var operations = []operation{
	{name: "start in an empty directory", bare: true, prepare: opens, again: opensIt("isolated")},
	{name: "start", prepare: opens, again: opensIt("shared")},
	{name: "try the drivers", prepare: func(s *scene) order { return order{settings: s.settings, Op: opProbe} }, again: opensIt("copy-on-write")},
	{name: "isolated", prepare: gets("isolated"), again: getsIt},
	{name: "shared, cold", prepare: gets("shared"), again: getsIt},
	{name: "shared, warm", prepare: gets("shared", warm("shared")), again: getsIt},
	{name: "shared, beside a base", prepare: gets("shared", left("copy-on-write")), again: getsIt},
	{name: "shared, over an older version", prepare: gets("shared", left("shared"), replaced), again: getsIt},
	{name: "shared, while a run holds an older version", prepare: gets("shared", warm("shared"), replaced), again: getsIt},
	{name: "a copy, cold", driver: "copy", prepare: gets("copy-on-write"), again: getsIt},
	{name: "a copy, warm", driver: "copy", prepare: gets("copy-on-write", left("copy-on-write")), again: getsIt},
	{name: "an overlay, cold", driver: "overlay", prepare: gets("copy-on-write"), again: getsIt},
	{name: "an overlay, warm", driver: "overlay", prepare: gets("copy-on-write", warm("copy-on-write")), again: getsIt},
	{name: "clean up a run", prepare: cleansUp("isolated"), again: cleansIt("isolated")},
	{name: "clean up an overlay", driver: "overlay", prepare: cleansUp("copy-on-write"), again: cleansIt("copy-on-write")},
	{name: "clean up a shared hold", prepare: cleansUp("shared"), again: cleansIt("shared")},
	{name: "make room", driver: "copy", most: 1600 << 10, prepare: func(s *scene) order {
		needsRoom(s)
		return order{settings: s.settings, Op: opGet, Target: wanted, Run: runner, Mode: "shared"}
	}, again: getsRoom},
	{name: "sweep", prepare: rubbish, again: isSwept},
}
