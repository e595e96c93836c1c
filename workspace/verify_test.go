package workspace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

func (b *bench) verify(opts workspace.VerifyOptions) map[string]workspace.Verified {
	b.t.Helper()
	all, err := b.cache.Verify(b.t.Context(), opts)
	must(b.t, err)
	m := map[string]workspace.Verified{}
	for _, v := range all {
		m[b.rel(v.Path)] = v
	}
	return m
}

func mustBeFound(t *testing.T, v workspace.Verified, want workspace.VerifyResult, words ...string) {
	t.Helper()
	text := strings.Join([]string{v.Reason, v.Object, v.Against, v.Action}, "; ")
	if v.Result != want {
		t.Errorf("%s is %s (%s), want %s", v.Path, v.Result, text, want)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: %q is missing in: %s", v.Path, w, text)
		}
	}
}

// putNamed stores content with the digest that its uploader states.
func (b *bench) putNamed(id string, content []byte) {
	b.t.Helper()
	b.put(id, content)
	b.store.sums.Store(id, sha256Of(content))
}

// edit changes one byte of a file below the cache, without changing its size or
// its time of modification.
func (b *bench) edit(path string) {
	b.t.Helper()
	needRoot(b.t)
	info, err := os.Stat(path)
	must(b.t, err)
	raw, err := os.ReadFile(path)
	must(b.t, err)
	raw[len(raw)/2] ^= 1
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(b.t, err)
	_, err = f.WriteAt(raw, 0)
	must(b.t, err)
	must(b.t, f.Close())
	must(b.t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func TestVerifyOfWhatIsSound(t *testing.T) {
	b := newBench(t)
	b.putNamed("t", project.tarball(t))
	b.put("plain", project.tarball(t))
	b.putNamed("file", []byte("one file"))
	b.put("other", []byte("another"))
	own := b.get("t", "one", cordon.Isolated)
	for _, id := range []string{"t", "plain", "file", "other"} {
		b.get(id, "two", cordon.Shared)
	}
	b.get("t", "three", cordon.CopyOnWrite)
	opens := b.store.opens.Load()
	stages := map[string]bool{}
	got := b.verify(workspace.VerifyOptions{Progress: func(p workspace.VerifyProgress) {
		stages[p.Stage] = true
		if p.Entry < 1 || p.Entry > p.Of || p.Done > p.Total || p.Key == "" {
			t.Errorf("progress says %+v", p)
		}
	}})
	if len(got) != 7 || !stages["hashing"] || !stages["comparing"] {
		t.Errorf("%d entries, stages %v", len(got), stages)
	}
	mustBeFound(t, got["t/workspace"], workspace.Sound, "has the SHA-256 that its uploader stated", "kept object")
	mustBeFound(t, got["t/shared/workspace"], workspace.Sound, "kept object")
	mustBeFound(t, got["plain/workspace"], workspace.Sound, "no digest to compare with", "kept object")
	mustBeFound(t, got["file/target"], workspace.Sound, "has the SHA-256")
	mustBeFound(t, got["other/target"], workspace.Sound, "object store")
	mustBeFound(t, got[b.rel(own.Path)], workspace.Unverified, "its run may write", "has the SHA-256")
	mustBeFound(t, got["t/three/workspace"], workspace.Unverified, "its run may write")
	if n := b.store.opens.Load() - opens; n != 1 { // of the file whose digest nobody knows
		t.Errorf("%d reads of the store", n)
	}
	off := b.verify(workspace.VerifyOptions{Offline: true, Names: []string{"other", "file", "file"}})
	mustBeFound(t, off["other/target"], workspace.Unverified, "was not asked")
	mustBeFound(t, off["file/target"], workspace.Sound)
	if len(off) != 2 || b.store.opens.Load()-opens != 1 {
		t.Errorf("offline: %v", off)
	}
	_, err := b.cache.Verify(t.Context(), workspace.VerifyOptions{Names: []string{"none"}})
	mustBeKind(t, err, cordon.TargetNotFound)
	b.mustBeTidy()
}

// One byte of a base is found, whatever its times say, and no run gets it again.
func TestVerifyConvicts(t *testing.T) {
	tests := []struct {
		name string
		mode cordon.Mode
		path string
		held bool
	}{
		{"a shared tree", cordon.Shared, "t/workspace", false},
		{"a shared tree that a run holds", cordon.Shared, "t/workspace", true},
		{"a base", cordon.CopyOnWrite, "t/shared/workspace", false},
		{"a base that a view needs", cordon.CopyOnWrite, "t/shared/workspace", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, by(t, map[bool]string{true: "overlay", false: "copy"}[mayMount(t)]))
			b.putNamed("t", project.tarball(t))
			ws := b.get("t", "one", tt.mode)
			if !tt.held {
				b.cleanup(ws.Path, "one")
				waitFor(t, func() bool { return len(b.entries()[tt.path].Holders) == 0 }) // the view is unmounted
			}
			if tt.mode == cordon.Shared {
				mountstest.UnmountBelow(t, b.opts.Dir)
			}
			b.edit(b.path(tt.path + "/pkg/data/blob"))
			if tt.mode == cordon.Shared {
				b.forgetChanges(keyOf("shared", "t"))
			} else {
				b.forgetChanges(keyOf("base", "t"))
			}
			v := b.verify(workspace.VerifyOptions{})[tt.path]
			want := []string{`"pkg/data/blob": its content differs from byte 40000 on`, "moved to quarantine"}
			if tt.held && (tt.mode == cordon.Shared || mayMount(t)) {
				want[1] = "no new run gets it"
			}
			mustBeFound(t, v, workspace.Damaged, want...)
			if v.DifferenceCount != 1 || len(v.Differences) != 1 {
				t.Errorf("%d differences: %+v", v.DifferenceCount, v.Differences)
			}
			mustBeTree(t, b.get("t", "two", tt.mode).Path, project)
			for name, v := range b.verify(workspace.VerifyOptions{}) {
				switch {
				case v.Kind == workspace.KindQuarantine:
					mustBeFound(t, v, workspace.Damaged, "object store")
				case v.Kind != workspace.KindRun && (!tt.held || name != tt.path):
					mustBeFound(t, v, workspace.Sound)
				}
			}
		})
	}
}

// forgetChanges makes the manifest know nothing: only reading finds what changed.
func (b *bench) forgetChanges(key string) {
	b.t.Helper()
	b.editRecord(key, func(m map[string]any) {
		delete(m, "changed")
		delete(m, "manifest")
	})
}

func (b *bench) editRecord(key string, do func(map[string]any)) {
	b.t.Helper()
	file := b.path(".cordon/records/" + key + ".json")
	raw, err := os.ReadFile(file)
	must(b.t, err)
	m := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	must(b.t, d.Decode(&m))
	do(m)
	raw, err = json.Marshal(m)
	must(b.t, err)
	must(b.t, os.WriteFile(file+".new", raw, 0o644))
	must(b.t, os.Rename(file+".new", file))
}

// The manifest is looked at too: what was changed and changed back is no sound tree.
func TestVerifyLooksAtTheManifest(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.putNamed("t", project.tarball(t))
	ws := b.get("t", "one", cordon.CopyOnWrite)
	b.cleanup(ws.Path, "one")
	waitFor(t, func() bool { return len(b.entries()["t/shared/workspace"].Holders) == 0 }) // the view is unmounted
	file := b.path("t/shared/workspace/main.py")
	must(t, os.WriteFile(file, []byte(project["main.py"]), 0o644))
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/shared/workspace"], workspace.Damaged, `"main.py" was changed at`, "moved to quarantine")
}

// Of a tree and a kept object that do not agree, a third one says which is wrong.
func TestVerifyOfADamagedObject(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(name("digest known: %t", named), func(t *testing.T) {
			b := newBench(t)
			if named {
				b.putNamed("t", project.tarball(t))
			} else {
				b.put("t", project.tarball(t))
			}
			b.get("t", "one", cordon.Shared)
			before := b.entries()["t/workspace"]
			b.edit(b.path("t/target"))
			v := b.verify(workspace.VerifyOptions{})["t/workspace"]
			mustBeFound(t, v, workspace.Damaged, "the kept object", "object store", "was removed")
			if e := b.entries()["t/workspace"]; e.Tampered != "" || e.Object != 0 || e.Bytes != before.Bytes-before.Object {
				t.Errorf("the entry is %+v", e)
			}
			mustBeGone(t, b.path("t/target"))
			mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Sound, "object store")
		})
	}
}

// Where no third one can say which of the two is wrong, the manifest does: nobody is
// convicted on the word of an object that may have rotted.
func TestVerifyOfATreeAndAnObjectThatDiffer(t *testing.T) {
	offline := workspace.VerifyOptions{Offline: true}
	for _, tt := range []struct {
		name   string
		before func(b *bench)
		opts   workspace.VerifyOptions
	}{
		{"offline", func(*bench) {}, offline},
		{"the store is down", func(b *bench) { b.store.down.Store(true) }, workspace.VerifyOptions{}},
		{"the store has another version", func(b *bench) { b.put("t", newer.tarball(b.t)) }, workspace.VerifyOptions{}},
	} {
		for _, known := range []bool{true, false} {
			t.Run(name("%s, manifest: %t", tt.name, known), func(t *testing.T) {
				b := newBench(t)
				b.put("t", project.tarball(t))
				b.get("t", "one", cordon.Shared)
				must(t, os.Chmod(b.path("t/target"), 0o644))
				must(t, os.WriteFile(b.path("t/target"), newer.tarball(t), 0o644))
				if !known {
					b.forgetChanges(keyOf("shared", "t"))
				}
				tt.before(b)
				v := b.verify(tt.opts)["t/workspace"]
				if known {
					mustBeFound(t, v, workspace.Damaged, "the kept object", "was removed")
				} else {
					mustBeFound(t, v, workspace.Unverified, "tree and kept object differ")
				}
				if e := b.entries()["t/workspace"]; e.Tampered != "" || (e.Object == 0) != known {
					t.Errorf("the entry is %+v", e)
				}
			})
		}
	}
	t.Run("the tree was changed", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		b.cleanup(b.get("t", "one", cordon.Shared).Path, "one")
		mountstest.UnmountBelow(t, b.opts.Dir)
		b.edit(b.path("t/workspace/pkg/data/blob"))
		mustBeFound(t, b.verify(offline)["t/workspace"], workspace.Damaged, "was changed at", "moved to quarantine")
	})
	t.Run("nobody knows whether the tree was changed", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		b.cleanup(b.get("t", "one", cordon.Shared).Path, "one")
		mountstest.UnmountBelow(t, b.opts.Dir)
		b.edit(b.path("t/workspace/pkg/data/blob"))
		b.forgetChanges(keyOf("shared", "t"))
		mustBeFound(t, b.verify(offline)["t/workspace"], workspace.Unverified, "tree and kept object differ", "pkg/data/blob")
		mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Damaged, "object store", "moved to quarantine")
	})
}

// A run's workspace may end and begin anew while its object is read.
func TestVerifyOfARunThatComesAgain(t *testing.T) {
	b := newBench(t)
	b.putNamed("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Isolated)
	other, once := b.open(), false
	got := b.verify(workspace.VerifyOptions{Progress: func(workspace.VerifyProgress) {
		if once {
			return
		}
		once = true
		b.cleanup(ws.Path, "one")
		b.putNamed("t", newer.tarball(t))
		_, err := other.Get(t.Context(), request("t", "one", cordon.Isolated))
		must(t, err)
	}})
	mustBeFound(t, got[b.rel(ws.Path)], workspace.Unverified, "it went while others were verified")
	mustBeFound(t, b.verify(workspace.VerifyOptions{})[b.rel(ws.Path)], workspace.Unverified, "has the SHA-256")
}

// A run in shared mode may have a path of its own, which is nobody's to change either.
func TestVerifyOfARunsReadOnlyTree(t *testing.T) {
	b := newBench(t, by(t, "copy"))
	b.putNamed("t", newer.tarball(t))
	b.get("t", "old", cordon.Shared)
	b.putNamed("t", project.tarball(t))
	path := b.rel(b.get("t", "new", cordon.Shared).Path)
	mustBeFound(t, b.verify(workspace.VerifyOptions{})[path], workspace.Sound, "object store")
	mountstest.UnmountBelow(t, b.opts.Dir)
	b.edit(b.path(path + "/pkg/data/blob"))
	mustBeFound(t, b.verify(workspace.VerifyOptions{})[path], workspace.Damaged, "pkg/data/blob", "repeat the run")
	mustExist(t, b.path(path))
}

// Who was accused and is sound is said to be: the reading counts, not the record.
func TestVerifyClears(t *testing.T) {
	b := newBench(t)
	b.putNamed("t", project.tarball(t))
	b.get("t", "one", cordon.Shared)
	b.editRecord(keyOf("shared", "t"), func(m map[string]any) { m["tampered"] = "a lie" })
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Sound, "accused of this: a lie", "is what was uploaded")
	if u, err := b.cache.Usage(); err != nil || u.Tampered != 1 {
		t.Errorf("%d entries are accused, %v", u.Tampered, err)
	}
	must(t, os.Remove(b.path("t/target")))
	mustBeFound(t, b.verify(workspace.VerifyOptions{Offline: true})["t/workspace"], workspace.Damaged, "a lie")
}

// A target's name means all that was made of it.
func TestVerifyOfATarget(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"t", "u"} {
		b.putNamed(id, project.tarball(t))
		for _, mode := range modes {
			b.get(id, "run-"+string(mode), mode)
		}
	}
	all := b.entries()
	for path, v := range b.verify(workspace.VerifyOptions{Names: []string{"t"}}) {
		if v.Target.String() != "t" {
			t.Errorf("%s is verified", path)
		}
		delete(all, path)
	}
	for path, e := range all {
		if e.Target.String() == "t" {
			t.Errorf("%s is not verified", path)
		}
	}
	_, err := b.cache.Verify(t.Context(), workspace.VerifyOptions{Names: []string{"run-"}})
	mustBeKind(t, err, cordon.InvalidArgument)
}

// Where the object was evicted, it is read from the store again, of that version.
func TestVerifyFetchesAgain(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	b.get("t", "one", cordon.Shared)
	must(t, os.Remove(b.path("t/target"))) // as an eviction does
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Sound, "object store")
	if all, _ := filepath.Glob(b.path(".cordon/quarantine/*")); len(all) > 0 {
		t.Error("an object that is gone convicts its tree")
	}
	mustBeFound(t, b.verify(workspace.VerifyOptions{Offline: true})["t/workspace"], workspace.Unverified, "was not asked")
	b.store.down.Store(true)
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Unverified, "cannot be read")
	b.store.down.Store(false)
	b.put("t", []byte("new"))
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Unverified, "another version by now")
	b.mustBeTidy()
}

// Verifying evicts nothing to have room for the object.
func TestVerifyEvictsNothing(t *testing.T) {
	const mb = 1 << 20
	b := newBench(t, limited(5*mb))
	b.put("t", tree{"blob": string(random('t', mb+mb/2))}.tarball(t))
	b.get("t", "one", cordon.Shared)
	must(t, os.Remove(b.path("t/target")))
	b.put("idle", random('i', mb))
	b.cleanup(b.get("idle", "one", cordon.Shared).Path, "one")
	b.put("held", random('h', mb/2))
	b.get("held", "one", cordon.Isolated)
	mustBeFound(t, b.verify(workspace.VerifyOptions{})["t/workspace"], workspace.Unverified, "CACHE_MAX_SIZE")
	mustExist(t, b.path("idle/target"))
}

// While a tree is read nobody removes it, and whoever holds it goes on.
func TestVerifyBesideOthers(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	b.cleanup(b.get("t", "one", cordon.Shared).Path, "one")
	must(t, os.Remove(b.path("t/target")))
	open := b.store.block()
	type result struct {
		all []workspace.Verified
		err error
	}
	done := make(chan result, 1)
	began := b.store.opens.Load()
	go func() {
		all, err := b.cache.Verify(t.Context(), workspace.VerifyOptions{})
		done <- result{all, err}
	}()
	waitFor(t, func() bool { return b.store.opens.Load() > began })
	other := b.open()
	rep, err := other.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
	must(t, err)
	mustExist(t, b.path("t/workspace/main.py"))
	if t.Failed() {
		open()
		t.FailNow() // Get would wait for the store
	}
	ws, err := other.Get(t.Context(), request("t", "two", cordon.Shared))
	must(t, err)
	open()
	r := <-done
	must(t, r.err)
	mustBeFound(t, r.all[0], workspace.Sound)
	mustBeTree(t, ws.Path, project)
	if len(rep.Deferred) == 0 {
		t.Errorf("the sweep says %+v", rep)
	}
}

func TestVerifyStops(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	b.get("t", "one", cordon.Shared)
	must(t, os.Remove(b.path("t/target")))
	defer b.store.block()()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.cache.Verify(ctx, workspace.VerifyOptions{}); ctx.Err() == nil || err == nil {
		t.Errorf("%v", err)
	}
	b.mustBeTidy()
}
