package archive

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
