package model_test

import (
	"os"
	"path/filepath"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/workspace"
)

// Write lets a run work in its own workspace.
func (w *world) Write(t *rapid.T) {
	var mine []*entry
	for _, e := range w.all() {
		if e.kind == workspace.KindRun && !e.readOnly {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		t.Skip("there is no workspace to write into")
	}
	e := mine[rapid.IntRange(0, len(mine)-1).Draw(t, "workspace")]
	path, body := w.abs(e.path()), rapid.StringMatching("[a-z]{1,30}").Draw(t, "content")
	e.touched = true
	what := rapid.SampledFrom([]string{"new", "over", "replace", "remove"}).Draw(t, "what")
	w.sayf(t, "%s in %v: %q", what, e.key, body)
	if e.content.isFile() {
		must(t, os.WriteFile(path, []byte(body), 0o644))
		e.tree = tree{"": body}
		return
	}
	switch what {
	case "new":
		must(t, os.WriteFile(path+"/new", []byte(body), 0o644))
		e.tree["new"] = body
	case "over":
		must(t, os.WriteFile(path+"/main.py", []byte(body), 0o644))
		e.tree["main.py"] = body
	case "replace": // as git clone does
		if w.views {
			return // a mount point stays
		}
		must(t, os.RemoveAll(path))
		must(t, os.Mkdir(path, 0o755))
		must(t, os.WriteFile(path+"/main.py", []byte(body), 0o644))
		e.tree = tree{"main.py": body}
	case "remove":
		must(t, os.RemoveAll(path+"/main.py"))
		delete(e.tree, "main.py")
	}
}

// RemoveByHand takes an entry's files or its record away, as people do.
func (w *world) RemoveByHand(t *rapid.T) {
	all := w.all()
	if len(all) == 0 {
		t.Skip("there is nothing")
	}
	e := all[rapid.IntRange(0, len(all)-1).Draw(t, "entry")]
	if rapid.Bool().Draw(t, "record") {
		w.sayf(t, "rm the record of %v", e.key)
		must(t, os.Remove(w.abs(".cordon/records/"+e.id+".json")))
		delete(w.entries, e.key)
		return
	}
	w.sayf(t, "rm the files of %v", e.key)
	path := w.abs(e.path())
	w.unmount(t, path)
	if e.kind != workspace.KindShared && rapid.Bool().Draw(t, "whole") {
		path = filepath.Dir(path)
	} else if e.kind == workspace.KindRun {
		path = filepath.Dir(path) // of a run its directory counts: what is in it is its own
	}
	must(t, os.RemoveAll(path))
	e.lost = true
}
