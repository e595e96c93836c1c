package workspace

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Find returns the one entry that name means: its key, the beginning of its key
// (the hexadecimal digits alone will do), its absolute path or that of the
// directory it is in, or the id of its target if that has no other entry. The
// error is TargetNotFound where there is none, and an InvalidArgument that lists
// them where there are several.
func (c *Cache) Find(name string) (Entry, error) {
	r, err := c.find(name, func(r *record) bool { return r.State == complete && c.missing(r) == "" })
	if err != nil {
		return Entry{}, err
	}
	pins, err := c.pins()
	if err != nil {
		return Entry{}, diskError("find entry", name, err)
	}
	e, err := c.entry(r, pins)
	return e, diskError("find entry", name, err)
}

// find returns the record of the entry that name means, of those that are wanted.
func (c *Cache) find(name string, wanted func(*record) bool) (*record, error) {
	found, err := c.matching(name, wanted)
	switch {
	case err != nil:
		return nil, err
	case len(found) > 1:
		return nil, ambiguous(name, found)
	}
	return found[0], nil
}

// matching returns the records, one at least, of the entries that name may mean, of
// those that are wanted.
func (c *Cache) matching(name string, wanted func(*record) bool) ([]*record, error) {
	if err := c.revive(); err != nil {
		return nil, err
	}
	all, _, err := c.records()
	if err != nil {
		return nil, diskError("find entry", name, err)
	}
	for _, means := range []func(*record) bool{
		func(r *record) bool { return string(r.Key) == name },
		func(r *record) bool { return c.standsAt(r, name) },
		func(r *record) bool { return r.Target.String() == name },
		func(r *record) bool { return keyBegins(r.Key, name) },
	} {
		var found []*record
		for _, r := range all {
			if means(r) && wanted(r) {
				found = append(found, r)
			}
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	return nil, errNoEntry(name)
}

// standsAt reports whether path is r's, or its directory's.
func (c *Cache) standsAt(r *record, path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	path = filepath.Clean(path)
	for _, dir := range []string{c.dir, c.realDir()} {
		if path == filepath.Join(dir, r.path()) || path == filepath.Join(dir, r.Place) {
			return true
		}
	}
	return false
}

// keyBegins reports whether k begins with name, its kind's word left out or not.
func keyBegins(k key, name string) bool {
	_, digits, _ := strings.Cut(string(k), "-")
	return name != "" && (strings.HasPrefix(digits, name) || strings.HasPrefix(string(k), name))
}

func errNoEntry(name string) error {
	return &cordon.Error{Kind: cordon.TargetNotFound, Op: "find entry", Name: fmt.Sprintf("%q", name),
		Err: errors.New("the cache has none of that key, path or target"), Fix: "'cordon cache ls' shows what it has"}
}

// maxCandidates is how many entries an error lists: enough to see what they are.
const maxCandidates = 8

func ambiguous(name string, found []*record) error {
	slices.SortFunc(found, func(a, b *record) int { return strings.Compare(a.path(), b.path()) })
	var list []string
	for _, r := range found[:min(len(found), maxCandidates)] {
		list = append(list, fmt.Sprintf("%s (%s)", r.Key, r.path()))
	}
	if more := len(found) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "find entry", Name: fmt.Sprintf("%q", name),
		Err: fmt.Errorf("it may be each of %d: %s", len(found), strings.Join(list, ", ")), Fix: "name one by its key"}
}
