package dashboard

import (
	"slices"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// Bar is an amount of disk in parts that fill it.
type Bar struct {
	Total int64   `json:"total"`
	Parts []Part  `json:"parts"`
	Limit []Limit `json:"limits"`
}

// Part is one of the parts of a Bar, from the left.
type Part struct {
	Name    string `json:"name"` // its class in the stylesheet, too
	Label   string `json:"-"`
	Note    string `json:"-"`
	Bytes   int64  `json:"bytes"`
	Entries int    `json:"entries,omitempty"`

	X, Width float64 `json:"-"` // in thousandths of the bar
}

// Limit is a place in a Bar, from the left.
type Limit struct {
	Name  string  `json:"name"`
	Label string  `json:"-"`
	Bytes int64   `json:"bytes"` // from the left
	X     float64 `json:"-"`
}

// bars makes of what the cache records the bar of the disk, and that of what the cache may
// have of it.
func bars(u workspace.Usage, entries []workspace.Entry) (disk, cache Bar) {
	own := entryParts(entries)
	var known int64
	for _, p := range own {
		known += p.Bytes
	}
	own = append(own,
		Part{Name: "reserved", Label: "Reserved", Note: "promised to fetches under way", Bytes: u.Reserved},
		Part{Name: "trash", Label: "Trash", Note: "being deleted", Bytes: u.TrashBytes})
	// What is being fetched is partly written by now, and so is not free any more: as
	// reserved it counts once.
	others := max(u.DiskTotal-u.DiskFree-known-u.TrashBytes-u.Reserved, 0)
	free := max(u.DiskTotal-known-u.TrashBytes-u.Reserved-others, 0)
	kept := min(u.MinFree, free)
	disk = Bar{Total: u.DiskTotal, Parts: slices.Concat(own, []Part{
		{Name: "others", Label: "Other files", Note: "of the disk's other users", Bytes: others},
		{Name: "free", Label: "Free", Bytes: free - kept},
		{Name: "minfree", Label: "Stays free", Note: "CACHE_MIN_FREE", Bytes: kept},
	})}
	if u.MaxSize < u.DiskTotal {
		disk.Limit = []Limit{{Name: "max_size", Label: "the most that the cache takes", Bytes: u.MaxSize}}
	}
	inCache := known + u.Reserved
	cache = Bar{Total: max(u.MaxSize, inCache), Parts: slices.DeleteFunc(slices.Clone(own), func(p Part) bool { return p.Name == "trash" })} // it counts as freed
	cache.Parts = append(cache.Parts, Part{Name: "free", Label: "Room", Bytes: cache.Total - inCache})
	if cache.Total > u.MaxSize {
		cache.Limit = []Limit{{Name: "max_size", Label: "CACHE_MAX_SIZE", Bytes: u.MaxSize}}
	}
	disk.draw()
	cache.draw()
	return disk, cache
}

// entryParts adds up the entries by what they are to runs.
func entryParts(entries []workspace.Entry) []Part {
	parts := []Part{
		{Name: "isolated", Label: "Isolated workspaces", Note: "runs' own trees"},
		{Name: "cow", Label: "Copy-on-write changes", Note: "what runs wrote in their views"},
		{Name: "base", Label: "Copy-on-write bases", Note: "read-only, one for each target"},
		{Name: "shared", Label: "Shared trees", Note: "read-only, one for each target"},
		{Name: "quarantine", Label: "Quarantine", Note: "tampered with"},
	}
	for _, e := range entries {
		i := 0
		switch {
		case e.Kind == workspace.KindQuarantine:
			i = 4
		case e.Kind == workspace.KindShared || e.Kind == workspace.KindRun && e.Mode == cordon.Shared:
			i = 3
		case e.Kind == workspace.KindBase:
			i = 2
		case e.Mode == cordon.CopyOnWrite:
			i = 1
		}
		parts[i].Bytes += e.Bytes
		parts[i].Entries++
	}
	return slices.DeleteFunc(parts, func(p Part) bool { return p.Name == "quarantine" && p.Entries == 0 })
}

// scale is how wide a bar is, and visible the least width of a part that is not empty: who
// looks for what fills the disk shall see all that is there.
const (
	scale   = 1000
	visible = 5
)

// draw places the parts. What the smallest need to be seen, the largest gives.
func (b *Bar) draw() {
	if b.Total <= 0 {
		return
	}
	sum, largest := 0.0, 0
	for i := range b.Parts {
		p := &b.Parts[i]
		if p.Bytes > 0 {
			p.Width = max(scale*float64(p.Bytes)/float64(b.Total), visible)
		}
		sum += p.Width
		if p.Width > b.Parts[largest].Width {
			largest = i
		}
	}
	b.Parts[largest].Width -= sum - scale
	x := 0.0
	for i := range b.Parts {
		b.Parts[i].X = x
		x += b.Parts[i].Width
	}
	for i := range b.Limit {
		b.Limit[i].X = min(scale*float64(b.Limit[i].Bytes)/float64(b.Total), scale-1)
	}
}
