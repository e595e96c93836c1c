package corpus

import (
	"context"
	"errors"
	"time"
)

// Version is what a Merge has stored.
type Version struct {
	Name   string    `json:"name"`
	Time   time.Time `json:"time"` // by the store's clock
	Inputs int       `json:"inputs"`
	Bytes  int64     `json:"bytes"` // in the store, compressed
}

// Versions returns the versions that are there, the newest first.
func (c *Corpus) Versions(ctx context.Context) ([]Version, error) {
	packs, _, err := c.list(ctx)
	if err != nil {
		return nil, c.failure("list versions of corpus", err)
	}
	versions := []Version{}
	for _, p := range packs {
		if p.merged {
			versions = append(versions, Version{p.name, p.modified, p.inputs, p.size})
		}
	}
	return versions, nil
}

// named returns which packs the version in the blob key stands for. With whole it
// is read to its end, and damage anywhere in it is an error.
func (c *Corpus) named(ctx context.Context, key string, whole bool) (map[string]bool, error) {
	in, _, err := c.blobs.OpenBlob(ctx, key)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	names := map[string]bool{}
	r := reader{maxInput: mostBytes, stop: !whole, supersedes: func(packs []string) {
		for _, name := range packs {
			names[name] = true
		}
	}}
	return names, r.read(in)
}

// useless reports whether err says that a pack is damaged, or gone.
func useless(err error) bool {
	var d damageError
	return errors.As(err, &d) || gone(err)
}
