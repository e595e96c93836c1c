package corpus

import (
	"context"
	"time"
)

// Retention says what Prune leaves. What is zero has its default.
type Retention struct {
	// Grace is how long a version must have been there before what it supersedes
	// goes: whoever listed the packs before must have read them. 24 h.
	Grace time.Duration

	// Keep is how many versions stay, so that somebody can go back; 5.
	Keep int

	// Age, if not 0, is after which age superseded versions go even if they are fewer.
	Age time.Duration
}

// The defaults of Retention.
const (
	DefaultGrace = 24 * time.Hour
	DefaultKeep  = 5
)

// Pruned says what was removed.
type Pruned struct {
	Blobs int   `json:"blobs"`
	Bytes int64 `json:"bytes"`
}

// Prune removes packs that a version of this corpus has superseded for long. The version is read to
// its end before: what it stands for goes only where it is whole. Any number may
// prune at a time, beside any number of runs.
func (c *Corpus) Prune(ctx context.Context, keep Retention) (Pruned, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep.Grace == 0 {
		keep.Grace = DefaultGrace
	}
	if keep.Keep == 0 {
		keep.Keep = DefaultKeep
	}
	pruned, err := c.prune(ctx, keep)
	if err != nil {
		return pruned, c.failure("prune corpus", err)
	}
	return pruned, nil
}

func (c *Corpus) prune(ctx context.Context, keep Retention) (pruned Pruned, err error) {
	packs, _, err := c.list(ctx)
	if err != nil {
		return pruned, err
	}
	now, versions := c.opts.Now(), 0
	superseded := packs[:0:0] // what may go if a version names it
	for _, p := range packs {
		if p.merged {
			versions++
		}
		if !p.merged || versions > keep.Keep || keep.Age > 0 && now.Sub(p.modified) > keep.Age {
			superseded = append(superseded, p)
		}
	}
	removed := map[string]bool{}
	for _, version := range packs {
		if !version.merged || now.Sub(version.modified) < keep.Grace || removed[version.name] {
			continue
		}
		old, err := c.replaced(ctx, version, superseded)
		if err != nil {
			return pruned, err
		}
		for _, p := range old {
			if removed[p.name] {
				continue
			}
			if err := c.blobs.RemoveBlob(ctx, p.key); err != nil {
				return pruned, err
			}
			removed[p.name] = true
			pruned.Blobs++
			pruned.Bytes += p.size
		}
	}
	return pruned, nil
}

// replaced returns those of packs that the version stands for, provided that it is
// whole. It is read to its end only where there are any.
func (c *Corpus) replaced(ctx context.Context, version pack, packs []pack) (old []pack, err error) {
	for _, whole := range []bool{false, true} {
		names, err := c.named(ctx, version.key, whole)
		if useless(err) {
			c.opts.Log.WarnContext(ctx, "A version of the corpus is damaged; what it stands for stays", "key", version.key, "error", err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		old = old[:0]
		for _, p := range packs {
			if names[p.name] && p.name != version.name {
				old = append(old, p)
			}
		}
		if len(old) == 0 {
			return nil, nil
		}
	}
	return old, nil
}
