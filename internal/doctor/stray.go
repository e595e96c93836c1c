package doctor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace"
)

const (
	// secondLook is when a mount that nothing explains is looked at again: longer
	// than anybody takes between mounting and recording, or trying and tidying up.
	secondLook = time.Second
	// namedStrays is how many mounts a finding names; the others are counted.
	namedStrays = 3
	// workspaceName is what the cache mounts on, at the end of an entry's path.
	workspaceName = "workspace"
)

// strayMounts looks for mounts in the cache that belong to no entry: what a
// crash left. Mounts elsewhere in CACHE_DIR are not the cache's.
func strayMounts(ctx context.Context, s *site) Result {
	c, err := s.cache()
	if errors.Is(err, errNoCache) {
		return ok("none: there is no cache yet")
	}
	if err != nil {
		return notLooked(err)
	}
	stray, known, err := unexplained(c)
	if err == nil && len(stray) > 0 {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(secondLook):
			var again []string
			again, known, err = unexplained(c)
			stray = slices.DeleteFunc(stray, func(m string) bool { return !slices.Contains(again, m) })
		}
	}
	switch {
	case err != nil:
		return because(Fail, err, "see whether the disk works")
	case len(stray) == 0:
		return ok("none; %d of the cache's own", known)
	}
	more := ""
	if n := len(stray) - namedStrays; n > 0 {
		stray, more = stray[:namedStrays], fmt.Sprintf(" and %d more", n)
	}
	return warn("run 'cordon cache gc', which unmounts what the cache mounted, and unmount the others by hand (umount PATH)", "no entry explains what is mounted on %s%s", strings.Join(stray, ", "), more)
}

// unexplained returns the paths that something is mounted on for which there is
// no entry, and how many mounts have one or wait to be swept. The mounts are read
// first: an entry that is published meanwhile is in the list, then.
func unexplained(c *workspace.Cache) (stray []string, known int, err error) {
	real, err := filepath.EvalSymlinks(c.Dir())
	if err != nil {
		return nil, 0, err
	}
	all, err := mounts.Below(real)
	if err != nil {
		return nil, 0, err
	}
	entries, err := c.Entries()
	if err != nil {
		return nil, 0, err
	}
	var places []string // relative to the cache, below which a mount is explained
	for _, e := range entries {
		places = append(places, strings.TrimPrefix(e.Path, c.Dir()+"/"))
	}
	// What is being made or deleted is the business of whoever does it, or of the
	// next sweep.
	places = append(places, stateDir+"/staging", stateDir+"/trash", stateDir+"/quarantine")
	for _, m := range all {
		at := strings.TrimPrefix(m.Point, real+"/")
		switch {
		case slices.ContainsFunc(places, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") }):
			known++
		case filepath.Base(at) == workspaceName || strings.HasPrefix(at, stateDir+"/"):
			stray = append(stray, m.Point)
		}
	}
	return stray, known, nil
}
