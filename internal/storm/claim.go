package storm

import (
	"maps"
	"path/filepath"
	"sync/atomic"
	"time"
)

// claim is what a run has, or may have, of a target at one of the two places where
// it can stand: a directory of the run's own, or the target's shared path. It
// belongs to its lane.
type claim struct {
	w      *season
	run    string
	st     *stock
	shared bool

	// sure says that it was handed out, and that nothing has been done since that
	// could take it away. Otherwise it may be there as it was, or afresh, or not.
	sure  bool
	since time.Time // of the first request that may have made it

	// What it is, once it was handed out; version is nil before.
	version  *version
	path     string
	driver   string
	readOnly bool
	want     tree
	wild     map[string]bool // names of which a process died that was changing them
	written  bool            // want is the claim's own
	growth   int64           // the most that writing has added to the disk

	twofold bool      // it may have been made read-only for the run, in place of a shared tree that could not be had
	ruined  bool      // somebody took parts of it away by hand, or a process died that was replacing its top
	raid    int64     // how often somebody had done so when it was asked for
	renewed time.Time // when it was last asked for
	linger  *process  // may still be making it, for nobody
}

// certain reports whether it has to be there at this moment.
func (c *claim) certain() bool {
	return c.sure && !c.ruined && c.raid == c.w.raids.Load() && (c.w.TTL == 0 || time.Since(c.renewed) < c.w.TTL-expirySlack)
}

// expirySlack is how much sooner than its time to live a hold may end: the stamp
// of its last use is not renewed more than once in a second.
const expirySlack = 1500 * time.Millisecond

// accept takes in that a Get which began then was answered with ws.
func (c *claim) accept(ws got, began time.Time, raid int64) {
	if c.certain() {
		if ws.ETag != c.version.etag || ws.Path != c.path {
			c.w.fail(c.about(), "the run had %s of %s, and asking again it got %s of %s", c.path, c.version.etag, ws.Path, ws.ETag)
		}
		c.renewed = began
		return
	}
	if raid != c.w.raids.Load() || raid%2 == 1 || c.raid != raid && !c.since.Equal(began) {
		c.ruined = true // whatever it is, it may have been made before and damaged since
	}
	v, why := c.st.find(ws.ETag, c.since)
	if why != "" {
		c.w.fail(c.about(), "Get returned %s with ETag %q: %s", ws.Path, ws.ETag, why)
		return
	}
	c.twofold = false
	if c.sure = true; c.version == v && !c.ruined {
		// A cleanup was begun, and may not have come to anything; or it may have.
		if _, why := compare(ws.Path, c.want, c.wild); why == "" {
			// If it did, what looks the same may be another: read-only, where a shared tree
			// could not be had.
			c.driver, c.readOnly, c.renewed = ws.Driver, ws.ReadOnly, began
			return
		}
	}
	c.w.growth.Add(-c.growth)
	c.version, c.path, c.driver, c.readOnly, c.raid, c.renewed = v, ws.Path, ws.Driver, ws.ReadOnly, raid, began
	c.want, c.wild, c.written, c.growth = v.tree, nil, false, 0
}

// check looks at every byte of it.
func (c *claim) check(when string) {
	if !c.certain() {
		return
	}
	c.w.sum.checks.Add(1)
	n, why := compare(c.path, c.want, c.wild)
	if why != "" && c.certain() {
		c.w.fail(c.about(), "%s, %s by driver %q is not what it should be (%s): %s", when, c.path, c.driver, c.version.etag, why)
	}
	c.w.sum.bytes.Add(n)
}

// change gives the claim a tree of its own, to be changed.
func (c *claim) change() tree {
	if !c.written {
		c.want, c.written = maps.Clone(c.want), true
	}
	return c.want
}

func (c *claim) grow(n int64) {
	c.growth += n
	c.w.growth.Add(n)
}

// forget is the end of it.
func (c *claim) forget(r *run) {
	c.w.growth.Add(-c.growth)
	delete(r.claims, place{c.st, c.shared})
}

func (c *claim) about() about { return about{c.st.name, c.run, c.path} }

// own returns the directory that belongs to the run, or the target's own.
func (c *claim) dir() string {
	if c.shared {
		return filepath.Join(c.w.cache, c.st.name)
	}
	return filepath.Join(c.w.cache, c.st.name, c.run)
}

// run is one run of a lane.
type run struct {
	name   string
	keep   bool // its workspaces, if it fails
	claims map[place]*claim
}

type place struct {
	st     *stock
	shared bool
}

// claim returns what the run has or may have; fresh says that it had nothing.
func (r *run) claim(w *season, st *stock, shared bool, began time.Time) (c *claim, fresh bool) {
	p := place{st, shared}
	if c = r.claims[p]; c == nil {
		c, fresh = &claim{w: w, run: r.name, st: st, shared: shared, since: began, raid: w.raids.Load()}, true
		r.claims[p] = c
	}
	return c, fresh
}

// sum counts what was done.
type sum struct {
	kills, stops, ends, downloads, checks, bytes, samples, fullest, raids, puts, rounds, evictions, removals, unexplained, overstated, mounts atomic.Int64

	ops   counts // by operation and outcome
	kinds counts // of errors
}
