package archive

import (
	"errors"

	"github.com/cordonlabs/cordon"
)

// maxListed is how many omissions, and how many absolute names, a report lists:
// enough to see what they are. The counts are always complete.
const maxListed = 100

// Report says what an extraction made. Paths are relative to its directory,
// with slashes, and hold the bytes that the archive has.
type Report struct {
	Format Format `json:"format"`

	Files     int64 `json:"files"`      // regular files
	Dirs      int64 `json:"dirs"`       // directories, without the one extracted into
	Links     int64 `json:"links"`      // symbolic links
	HardLinks int64 `json:"hard_links"` // further names of regular files
	Inodes    int64 `json:"inodes"`     // Files + Dirs + Links

	// Bytes is the sum of the files' sizes, holes included, each file once.
	Bytes int64 `json:"bytes"`
	// DiskBytes is the disk that the tree takes, in whole blocks of 4 KiB: the
	// files' content without holes, one block for each directory, one for each
	// symbolic link of 60 bytes and more.
	DiskBytes int64 `json:"disk_bytes"`

	// Omitted are symbolic links that were not made because they lead outside.
	Omitted      []Omission `json:"omitted,omitempty"`
	OmittedCount int64      `json:"omitted_count,omitempty"`

	// Dropped is what entries had that a workspace has no use for: set-id and
	// sticky bits, access control lists, extended attributes, capabilities.
	Dropped      []Drop `json:"dropped,omitempty"`
	DroppedCount int64  `json:"dropped_count,omitempty"`

	// Refused are the entries because of which Extract refuses the archive. Only
	// Inspect looks further than the first one.
	Refused      []Refusal `json:"refused,omitempty"`
	RefusedCount int64     `json:"refused_count,omitempty"`

	// StrippedAbsolute are names, as the archive spells them, that lost their
	// leading slashes.
	StrippedAbsolute      []string `json:"stripped_absolute,omitempty"`
	StrippedAbsoluteCount int64    `json:"stripped_absolute_count,omitempty"`
}

// Omission is a symbolic link that was not made.
type Omission struct {
	Path   string `json:"path"`
	Target string `json:"target"`
	Reason string `json:"reason"`
}

// Drop is something of an entry that was not kept.
type Drop struct {
	Path string `json:"path"`
	What string `json:"what"` // "set-user-id", "set-group-id", "sticky", "access control list", "extended attributes"
}

// Refusal is an entry that an archive is refused for.
type Refusal struct {
	Path   string `json:"path,omitempty"` // quoted, as the archive spells it; empty where it is no single entry's fault
	Reason string `json:"reason"`
}

func (r *Report) drop(path, what string) {
	if r.DroppedCount++; len(r.Dropped) < maxListed {
		r.Dropped = append(r.Dropped, Drop{path, what})
	}
}

func (r *Report) refuse(err error) {
	if r.RefusedCount++; len(r.Refused) >= maxListed {
		return
	}
	why := Refusal{Reason: err.Error()}
	var e *cordon.Error
	if errors.As(err, &e) {
		why = Refusal{Path: e.Name, Reason: e.Err.Error()}
	}
	r.Refused = append(r.Refused, why)
}

func (r *Report) omit(o Omission) {
	if r.OmittedCount++; len(r.Omitted) < maxListed {
		r.Omitted = append(r.Omitted, o)
	}
}

func (r *Report) stripped(spelling string) {
	if r.StrippedAbsoluteCount++; len(r.StrippedAbsolute) < maxListed {
		r.StrippedAbsolute = append(r.StrippedAbsolute, spelling)
	}
}
