package storm

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// raid removes parts of the cache by hand, as an operator does. What stands there
// is nobody's to rely on any more.
func (w *season) raid(rnd *rand.Rand) {
	w.raiding.Lock()
	defer w.raiding.Unlock()
	w.sum.raids.Add(1)
	names := []string{".cordon/records", ".cordon/holds", ".cordon/locks", ".cordon/staging", ".cordon/trash", ".cordon/reservations", ".cordon/manifests", ".cordon", "."}
	for _, st := range w.shelf.all {
		names = append(names, st.name, st.name+"/shared", st.name+"/workspace")
	}
	name := names[rnd.IntN(len(names))]
	w.raids.Add(1)
	defer w.raids.Add(1)
	w.note(time.Now(), os.Getpid(), -1, command{Op: "rm -rf", Path: name}, answer{}, true)
	all := []string{name}
	if name == "." {
		all = nil
		entries, _ := os.ReadDir(w.cache) // as much as there is
		for _, e := range entries {
			all = append(all, e.Name())
		}
	}
	for _, n := range all {
		_ = os.RemoveAll(filepath.Join(w.cache, n)) // what is mounted, or made meanwhile, stays
	}
}

// calm reports whether nobody has removed anything by hand since raids was that.
func (w *season) calm(raids int64) bool { return raids%2 == 0 && raids == w.raids.Load() }
