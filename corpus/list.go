package corpus

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/target"
)

// Info is what the store tells of a corpus.
type Info struct {
	Name
	Path     string    `json:"path"`     // what the keys of its blobs begin with
	Inputs   int       `json:"inputs"`   // at most: runs may have found the same
	Bytes    int64     `json:"bytes"`    // in the store, compressed, of all that is there
	Packs    int       `json:"packs"`    // that a run reads
	Versions int       `json:"versions"` // that merges have stored
	LastPush time.Time `json:"last_push,omitzero"`
	LastUse  time.Time `json:"last_use,omitzero"` // to a day: the latest push or pull
}

// List returns the corpora in the store, sorted by path. With lineage not "" only those of it.
func List(ctx context.Context, blobs target.Blobs, lineage string, opts Options) ([]Info, error) {
	prefix := Top
	if lineage != "" {
		prefix += "/" + target.BlobName(lineage)
	}
	infos := []Info{}
	for blob, err := range blobs.ListBlobs(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		parts := strings.Split(blob.Key, "/")
		if len(parts) != 5 {
			continue // nothing of ours
		}
		path := strings.Join(parts[:4], "/")
		if len(infos) == 0 || infos[len(infos)-1].Path != path {
			infos = append(infos, Info{Path: path, Name: Name{textOf(parts[1]), textOf(parts[2]), textOf(parts[3])}})
		}
		info := &infos[len(infos)-1]
		info.Bytes += blob.Size
		if blob.Modified.After(info.LastUse) {
			info.LastUse = blob.Modified
		}
	}
	for i := range infos {
		if err := infos[i].look(ctx, blobs, opts); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.Path, b.Path) })
	return infos, nil
}

// textOf returns what a component spells, or the component where that is not known.
func textOf(component string) string {
	if text, ok := target.BlobText(component); ok {
		return text
	}
	return component
}

// look counts what a run would read.
func (i *Info) look(ctx context.Context, blobs target.Blobs, opts Options) error {
	c := OpenAt(blobs, i.Path, opts)
	packs, _, err := c.list(ctx)
	if err != nil {
		return err
	}
	covered := map[string]bool{}
	for _, merged := range []bool{true, false} {
		for _, p := range packs {
			if p.merged != merged {
				continue
			}
			if p.merged {
				i.Versions++
			}
			if p.modified.After(i.LastPush) {
				i.LastPush = p.modified
			}
			if covered[p.name] {
				continue
			}
			if p.merged {
				names, err := c.named(ctx, p.key, false)
				if useless(err) {
					continue // a run passes it over too
				}
				if err != nil {
					return err
				}
				for name := range names {
					covered[name] = true
				}
			}
			i.Packs++
			i.Inputs += p.inputs
		}
	}
	return nil
}
