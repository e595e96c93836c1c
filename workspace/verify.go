package workspace

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/flock"
)

// VerifyOptions say what to verify, and how.
type VerifyOptions struct {
	Names    []string             // of entries, as for Find, or of targets: all entries of theirs; none: everything
	Offline  bool                 // do not ask the object store, nor read from it
	Progress func(VerifyProgress) // if not nil: from Verify's own goroutine or others, one at a time for each entry
}

// VerifyProgress is how far a Verify has come.
type VerifyProgress struct {
	Key   string // of the entry that is read
	Entry int    // its number, from 1 on
	Of    int    // entries
	Stage string // "hashing", "comparing", "downloading"
	Done  int64  // bytes of the stage
	Total int64  // 0 where unknown
}

// VerifyResult is what verifying an entry found out.
type VerifyResult string

// The results of verifying.
const (
	Sound      VerifyResult = "sound"      // it is what was uploaded
	Damaged    VerifyResult = "damaged"    // it is not
	Unverified VerifyResult = "unverified" // nobody can tell, or nobody needs to
)

// Verified is what is known of one entry.
type Verified struct {
	Key    string          `json:"key"`
	Kind   Kind            `json:"kind"`
	Path   string          `json:"path"`
	Target cordon.TargetID `json:"target_id"`
	Run    string          `json:"run_id,omitempty"`

	Result  VerifyResult `json:"result"`
	Reason  string       `json:"reason,omitempty"`  // what is damaged, or why nobody can tell; for people
	Object  string       `json:"object,omitempty"`  // of the kept object, for people
	Against string       `json:"against,omitempty"` // what the tree was compared with: "kept object", "object store"
	Action  string       `json:"action,omitempty"`  // what was done about it, for people

	Differences     []archive.Difference `json:"differences,omitempty"` // at most 100
	DifferenceCount int64                `json:"difference_count,omitempty"`
}

// What a tree can be compared with.
const (
	keptObject  = "kept object"
	objectStore = "object store"
)

// accusePatience is how long Verify waits to take out of use what it found to be
// damaged: runs that begin have the lock while their views are made.
const accusePatience = 10 * time.Second

// Verify reads entries again, in the order of their paths. A kept object is hashed
// and compared with what is known of it; a shared tree, a base and what is in
// quarantine are compared with the object that they came from, byte by byte, and
// where that is gone with the object store's. A run's tree is its own to change,
// unless its mode is shared. With an error it returns what it has verified before.
// What is damaged is taken out of use: no new run gets it. Verify evicts nothing,
// and whoever uses an entry is not disturbed; who would make or remove it waits.
func (c *Cache) Verify(ctx context.Context, opts VerifyOptions) ([]Verified, error) {
	records, err := c.verifiable(opts.Names)
	if err != nil {
		return nil, err
	}
	list := make([]Verified, 0, len(records))
	for i, r := range records {
		v := &verification{c: c, r: r, opts: opts, out: Verified{
			Key: string(r.Key), Kind: r.Kind, Path: c.abs(r.path()), Target: r.Target, Run: r.Run, Result: Unverified,
		}}
		if opts.Progress != nil {
			v.progress = VerifyProgress{Key: string(r.Key), Entry: i + 1, Of: len(records)}
		}
		if err := v.run(ctx); err != nil {
			return list, diskError("verify", v.out.Path, err)
		}
		list = append(list, v.out)
	}
	return list, nil
}

// verifiable returns the records of what names mean, by path, each once.
func (c *Cache) verifiable(names []string) ([]*record, error) {
	usable := func(r *record) bool { return r.State == complete && c.missing(r) == "" }
	var list []*record
	for _, n := range names {
		found, err := c.matching(n, usable)
		if err != nil {
			return nil, err
		}
		if len(found) > 1 && found[0].Target.String() != n {
			return nil, ambiguous(n, found)
		}
		list = append(list, found...)
	}
	if len(names) == 0 {
		if err := c.revive(); err != nil {
			return nil, err
		}
		all, _, err := c.records()
		if err != nil {
			return nil, diskError("list cache", c.dir, err)
		}
		list = slices.DeleteFunc(all, func(r *record) bool { return !usable(r) })
	}
	slices.SortFunc(list, func(a, b *record) int { return strings.Compare(a.path(), b.path()) })
	return slices.CompactFunc(list, func(a, b *record) bool { return a.Key == b.Key }), nil
}

// verification is the verifying of one entry.
type verification struct {
	c        *Cache
	r        *record
	opts     VerifyOptions
	progress VerifyProgress
	out      Verified

	guilty    string // what is wrong with the tree, or the file that is handed out
	badObject string // what is wrong with the object kept beside it
}

// run verifies, and then acts on what it found.
func (v *verification) run(ctx context.Context) error {
	if err := v.read(ctx); err != nil {
		return err
	}
	var err error
	switch {
	case v.r.Kind == KindQuarantine:
		v.out.Action = "no run gets it; it goes when room is needed ('cordon cache gc --keep 0' makes some), or after CACHE_TTL"
	case v.r.Kind == KindRun && v.out.Result == Damaged:
		v.out.Action = "its run has it and keeps it: repeat the run, and mistrust what this one finds"
	case v.guilty != "" && v.r.Kind != KindRun:
		err = v.accuse(ctx)
	case v.badObject != "" && v.r.spareObject():
		err = v.dropObject(ctx)
	}
	if err != nil && ctx.Err() == nil {
		v.out.Action = "it could not be taken out of use: " + err.Error()
		err = nil
	}
	return err
}

// read verifies with the entry's lock, so that nobody removes it meanwhile.
func (v *verification) read(ctx context.Context) error {
	c, r := v.c, v.r
	if r.Kind == KindRun {
		return v.readRun(ctx)
	}
	lock, err := flock.Acquire(ctx, c.root(), r.lock(), flock.Shared, nil)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if there, err := v.still(); !there || err != nil {
		return err
	}
	if err := v.content(ctx); err != nil {
		return err
	}
	accused := v.r.Tampered
	switch {
	case accused != "" && v.out.Result == Sound:
		v.out.Reason = "it was accused of this: " + accused + "; it is what was uploaded"
	case accused != "":
		v.damage(accused)
	}
	return nil
}

// still looks up the entry's record again, and reports whether it is still there.
func (v *verification) still() (bool, error) {
	now, err := v.c.current(v.r.Key)
	if err != nil {
		return false, err
	}
	if now == nil || now.Staging != v.r.Staging {
		v.forget()
		v.badObject, v.out.Object = "", ""
		v.out.Reason = "it went while others were verified"
		return false, nil
	}
	v.r = now
	return true, nil
}

// content verifies what is handed out: with the object, and with the manifest.
func (v *verification) content(ctx context.Context) (err error) {
	if v.r.Content == objectName {
		err = v.file(ctx)
	} else {
		err = v.tree(ctx)
	}
	if err != nil {
		return err
	}
	bad, err := v.c.altered(ctx, v.r, 0)
	if bad != "" {
		v.damage(bad)
	}
	return err
}

// damage notes what is wrong with what is handed out; the first reason stays.
func (v *verification) damage(why string) {
	if v.guilty == "" {
		v.guilty = why
	}
	v.out.Result, v.out.Reason = Damaged, v.guilty
}

// unknown notes why nobody can tell, unless something is known to be wrong.
func (v *verification) unknown(why string) {
	if v.out.Result != Damaged {
		v.out.Result, v.out.Reason = Unverified, why
	}
}

// readRun verifies without the lock, for a cleanup does not wait for us. What is
// read may go meanwhile, and another one come: then what was found counts for nothing.
func (v *verification) readRun(ctx context.Context) error {
	there, err := v.still()
	if !there || err != nil {
		return err
	}
	if v.r.Mode == cordon.Shared {
		err = v.content(ctx)
	} else {
		err = v.ownObject(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if there, lost := v.still(); !there || lost != nil {
		return lost
	}
	return err
}

func (v *verification) tell(stage string, done, total int64) {
	if v.opts.Progress == nil {
		return
	}
	p := v.progress
	p.Stage, p.Done, p.Total = stage, done, total
	v.opts.Progress(p)
}
