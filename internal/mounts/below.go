package mounts

import (
	"path/filepath"
	"slices"
	"strings"
)

// Below lists what is mounted strictly below dir, a mount before the one that it
// is mounted on, so that they can be unmounted in this order. Links in dir are
// resolved first. Mounts that something was mounted over are listed too.
func Below(dir string) ([]Mount, error) {
	dir, err := resolve(dir)
	if err != nil {
		return nil, err
	}
	all, err := Table()
	if err != nil {
		return nil, err
	}
	return below(all, dir), nil
}

// resolve returns dir as the mount table writes it.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func below(all []Mount, dir string) []Mount {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	parent := map[int]int{}
	for _, m := range all {
		parent[m.ID] = m.Parent
	}
	// A mount may be moved into a later one, so neither ids nor the order of the
	// table say which is the inner one.
	depth := func(id int) (n int) {
		for p, ok := parent[id]; ok && p != id && n <= len(all); p, ok = parent[p] {
			id = p
			n++
		}
		return n
	}
	var in []Mount
	depths := map[int]int{}
	for _, m := range all {
		if strings.HasPrefix(m.Point, prefix) && len(m.Point) > len(prefix) {
			in = append(in, m)
			depths[m.ID] = depth(m.ID)
		}
	}
	slices.SortStableFunc(in, func(a, b Mount) int { return depths[b.ID] - depths[a.ID] })
	return in
}
