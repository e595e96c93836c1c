package workspace

import (
	"path"
	"strings"
	"sync"
)

// glance is who held what when a sweep first looked. Most entries are held, most
// of the time, and stay so: reading all holds once is enough to leave those alone.
// It never says that something may go, so it does not look who lives. Before
// anything goes, its holds are read again, under the lock that it takes.
type glance struct {
	holds     map[key]map[string]*hold
	pins      map[key]*Pin
	temporary []string // names of files that a crash left, or that are being written
}

// glance takes the first look, if that has not been done.
func (s *sweep) glance() (*glance, error) {
	if s.first != nil {
		return s.first, nil
	}
	c := s.c
	top, err := c.root().Open(holdsDir)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	keys, err := top.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	g := &glance{holds: make(map[key]map[string]*hold, len(keys))}
	if g.pins, err = c.pins(); err != nil {
		return nil, err
	}
	seen := make(seenHolds, len(keys))
	var mu sync.Mutex // of g and seen
	err = abreast(len(keys), func(i int) error {
		k := keys[i]
		dir := path.Join(holdsDir, k)
		if strings.HasPrefix(k, ".") {
			mu.Lock()
			defer mu.Unlock()
			g.temporary = append(g.temporary, dir)
			return nil
		}
		now := stampAt(top, k)
		saw := c.seenHolds[key(k)]
		if !saw.still(top, now) {
			names, err := namesAt(top, k)
			if err != nil {
				return ignoreGone(err)
			}
			saw = seenDir{stamp: now}
			if saw.holds, saw.temporary, err = readHolds(top, k, dir, names, true); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		seen[key(k)] = saw
		g.holds[key(k)] = saw.holds
		g.temporary = append(g.temporary, saw.temporary...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !c.network { // there others may change what this kernel has stamped
		c.seenHolds = seen
	}
	s.first = g
	return g, nil
}

// stays reports whether a run held k at the first look, with a hold that counts.
// One of a view is not asked: it depends on what this sweep itself removes.
func (s *sweep) stays(k key) (bool, error) {
	g, err := s.glance()
	if err != nil {
		return false, err
	}
	for _, h := range g.holds[k] {
		if h.Entry == "" && s.counts(h) {
			return true, nil
		}
	}
	return false, nil
}

// noneStrays reports whether k had no holds at the first look but of runs that count.
func (s *sweep) noneStrays(k key) (bool, error) {
	g, err := s.glance()
	if err != nil {
		return false, err
	}
	for _, h := range g.holds[k] {
		if h.Entry != "" || !s.counts(h) {
			return false, nil
		}
	}
	_, looked := g.holds[k]
	return looked, nil
}

// needed reports whether a run holds k, or somebody has pinned it: now, or as far as
// the first look tells. Whoever takes a hold since then looks at the entry himself,
// and nothing goes by this.
func (s *sweep) needed(k key) (bool, error) {
	if held, err := s.stays(k); held || err != nil {
		return held, err
	}
	if len(s.first.holds[k]) == 0 {
		return s.first.pins[k] != nil, nil
	}
	return s.c.needed(k) // by a view, or not any more
}
