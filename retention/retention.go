// Package retention removes from the store what nobody needs any more: crashes,
// corpora and results that are older than somebody has said, and packs of corpora that
// a newer version stands for.
//
// A crash is all that lies below crashes/{lineage}/{id}/, and as old as the
// newest blob there. The corpora of a lineage are as old as its newest blob, of which one is
// written daily while runs pull them. Of a lineage that is in use only superseded packs go.
//
// Any number of workers may expire one store at a time: what is removed twice is
// gone, and what is looked at is looked at again before it goes.
package retention

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target"
)

// Ages are after which age things go; 0 is never.
type Ages struct {
	Crashes time.Duration // CORDON_CRASH_RETENTION
	Corpora time.Duration // CORDON_CORPUS_RETENTION
	Results time.Duration // CORDON_RESULT_RETENTION
}

// Options say what is removed and how.
type Options struct {
	Ages
	Log *slog.Logger     // slog.Default() if nil
	Now func() time.Time // time.Now if nil
}

// Report counts what was removed.
type Report struct {
	Crashes  int   `json:"crashes"`
	Lineages int   `json:"lineages"` // whose corpora all went
	Packs    int   `json:"packs"`    // superseded ones of others
	Results  int   `json:"results"`
	Bytes    int64 `json:"bytes"` // of all of these
}

// crashesTop is what the keys of crashes begin with.
const crashesTop = "crashes"

// Expire removes what is too old. Where something cannot be removed it goes on with
// the next, and returns all errors joined; ctx ends it. Results are expired in a
// store that is a target.ResultLister.
func Expire(ctx context.Context, store target.Blobs, opts Options) (Report, error) {
	e := &expiry{store: store, opts: opts, log: cmp.Or(opts.Log, slog.Default()), now: opts.Now}
	if e.now == nil {
		e.now = time.Now
	}
	err := errors.Join(e.crashes(ctx), e.corpora(ctx), e.results(ctx))
	return e.report, err
}

// expiry is one Expire.
type expiry struct {
	store  target.Blobs
	opts   Options
	log    *slog.Logger
	now    func() time.Time
	report Report
}

func (e *expiry) old(modified time.Time, age time.Duration) bool {
	return age > 0 && e.now().Sub(modified) > age
}

func (e *expiry) crashes(ctx context.Context) error {
	if e.opts.Crashes == 0 {
		return nil
	}
	groups, err := e.groups(ctx, crashesTop, 3)
	for _, g := range groups {
		if e.old(g.newest, e.opts.Crashes) {
			gone, rerr := e.remove(ctx, g, e.opts.Crashes)
			err = errors.Join(err, rerr)
			if gone {
				e.report.Crashes++
			}
		}
	}
	return err
}

func (e *expiry) corpora(ctx context.Context) error {
	groups, err := e.groups(ctx, corpus.Top, 2)
	kept := map[string]bool{}
	for _, g := range groups {
		if !e.old(g.newest, e.opts.Corpora) {
			kept[g.prefix] = true
			continue
		}
		gone, rerr := e.remove(ctx, g, e.opts.Corpora)
		err = errors.Join(err, rerr)
		if gone {
			e.report.Lineages++
		}
	}
	harnesses, lerr := e.groups(ctx, corpus.Top, 4)
	err = errors.Join(err, lerr)
	for _, h := range harnesses {
		if !kept[strings.Join(strings.Split(h.prefix, "/")[:2], "/")] {
			continue
		}
		c := corpus.OpenAt(e.store, h.prefix, corpus.Options{Log: e.log, Now: e.now})
		pruned, perr := c.Prune(ctx, corpus.Retention{Age: e.opts.Corpora})
		err = errors.Join(err, perr)
		e.report.Packs += pruned.Blobs
		e.report.Bytes += pruned.Bytes
	}
	return err
}

func (e *expiry) results(ctx context.Context) error {
	lister, ok := e.store.(target.ResultLister)
	if e.opts.Results == 0 || !ok {
		return nil
	}
	var old []target.ResultInfo // a listing need not bear removals in its middle
	var err error
	for info, lerr := range lister.ListResults(ctx) {
		if lerr != nil {
			err = lerr
		} else if e.old(info.Modified, e.opts.Results) {
			old = append(old, info)
		}
	}
	for _, info := range old {
		if rerr := lister.RemoveResult(ctx, info.Key); rerr != nil {
			err = errors.Join(err, rerr)
			continue
		}
		e.log.InfoContext(ctx, "Removed an old result", "key", info.Key, "modified", info.Modified)
		e.report.Results++
		e.report.Bytes += info.Size
	}
	return err
}

// group is what lies below a prefix, which goes or stays as a whole.
type group struct {
	prefix string
	newest time.Time
}

// groups returns the groups below top whose prefixes have that many components.
func (e *expiry) groups(ctx context.Context, top string, components int) (groups []group, err error) {
	for info, err := range e.store.ListBlobs(ctx, top) {
		if err != nil {
			return nil, err // of what is not known whole, nothing goes
		}
		parts := strings.Split(info.Key, "/")
		if len(parts) <= components {
			continue // nothing of ours
		}
		prefix := strings.Join(parts[:components], "/")
		if len(groups) == 0 || groups[len(groups)-1].prefix != prefix {
			groups = append(groups, group{prefix: prefix})
		}
		if g := &groups[len(groups)-1]; info.Modified.After(g.newest) {
			g.newest = info.Modified
		}
	}
	return groups, nil
}

// remove removes all that lies below g's prefix, unless something there has been
// written meanwhile that is not old.
func (e *expiry) remove(ctx context.Context, g group, age time.Duration) (gone bool, err error) {
	var blobs []target.BlobInfo
	for info, err := range e.store.ListBlobs(ctx, g.prefix) {
		if err != nil {
			return false, err
		}
		if !e.old(info.Modified, age) {
			return false, nil
		}
		blobs = append(blobs, info)
	}
	var bytes int64
	for _, info := range blobs {
		if err := e.store.RemoveBlob(ctx, info.Key); err != nil {
			return false, err
		}
		bytes += info.Size
	}
	e.log.InfoContext(ctx, "Removed what is too old", "prefix", g.prefix, "newest", g.newest, "bytes", bytes)
	e.report.Bytes += bytes
	return len(blobs) > 0, nil
}
