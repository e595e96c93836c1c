package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
)

// key names an entry in the cache's own files. It is a hash, because two ids of
// full length do not fit into one file name together.
type key string

func hashed(prefix string, parts ...string) key {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0}) // no id holds a NUL, so no two lists of parts collide
	}
	return key(prefix + "-" + hex.EncodeToString(h.Sum(nil)[:16]))
}

// version names one content of a target: an object as the store had it, read
// under one policy.
type version struct {
	etag   string
	policy archive.Policy
}

func runKey(t cordon.TargetID, r cordon.RunID) key { return hashed("run", t.String(), r.String()) }

// sharedKey is the key of the tree at the contract's path, whatever version
// stands there: only one can.
func sharedKey(t cordon.TargetID) key { return hashed("shared", t.String()) }

// baseKey is the key of the base at the contract's path.
func baseKey(t cordon.TargetID) key { return hashed("base", t.String()) }

// place is where an entry may stand.
type place struct {
	names  []string // relative to the cache directory
	target string   // the directory of the target that they are in; "" for those outside
	lock   string   // of whoever puts something there; "" where it cannot be known
}

// places finds where the entry k may stand, by what directories there are: keys
// cannot be read backwards.
func (c *Cache) places(k key) place {
	if strings.HasPrefix(string(k), "aside-") {
		return place{names: []string{path.Join(basesDir, string(k))}}
	}
	targets, _ := c.list(".") // what cannot be listed stays
	for _, t := range targets {
		id, err := cordon.ParseTargetID(t)
		if err != nil {
			continue
		}
		switch {
		case k == sharedKey(id):
			return place{[]string{path.Join(t, treeName), path.Join(t, objectName)}, t, chooserLock(id)}
		case k == baseKey(id):
			return place{[]string{path.Join(t, baseName)}, t, chooserLock(id)}
		case !strings.HasPrefix(string(k), "run-"):
			continue
		}
		runs, _ := c.list(t) // likewise
		for _, r := range runs {
			if run, err := cordon.ParseRunID(r); err == nil && k == runKey(id, run) {
				return place{[]string{path.Join(t, r)}, t, runLock(k)}
			}
		}
	}
	return place{}
}

// asideKey is the key of a base that could not have the contract's path because
// a base of another version was in use there.
func asideKey(t cordon.TargetID, v version) key {
	return hashed("aside", t.String(), v.etag, string(v.policy))
}

// Names of lock files. Order: run → content → chooser → janitor.

func runLock(k key) string { return path.Join(locksDir, string(k)) }

// contentLock guards one version of a target's shared tree and base together,
// so that one fetch serves both (CONTRACT §8.1).
func contentLock(t cordon.TargetID, v version) string {
	return path.Join(locksDir, string(hashed("content", t.String(), v.etag, string(v.policy))))
}

// chooserLock guards which version stands at a target's paths.
func chooserLock(t cordon.TargetID) string {
	return path.Join(locksDir, string(hashed("chooser", t.String())))
}

const (
	janitorLock = locksDir + "/janitor" // the accounts: who may take how much
	sweepLock   = locksDir + "/sweep"   // one sweeper per host
)
