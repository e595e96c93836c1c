package archive

import "fmt"

// Format is what a target was recognised as. Formats are comparable; the zero
// Format is a plain file.
type Format struct {
	container   container
	compression compression
}

type container uint8

const (
	plainFile container = iota
	tarArchive
	zipArchive
)

type compression uint8

const (
	uncompressed compression = iota
	gzipped
	bzipped
	xzipped
	zstandard
	lz4Framed
)

// formatNames is how records and reports spell each format.
var formatNames = map[Format]string{
	{}:                      "file",
	{zipArchive, 0}:         "zip",
	{tarArchive, 0}:         "tar",
	{tarArchive, gzipped}:   "tar.gz",
	{tarArchive, bzipped}:   "tar.bz2",
	{tarArchive, xzipped}:   "tar.xz",
	{tarArchive, zstandard}: "tar.zst",
	{tarArchive, lz4Framed}: "tar.lz4",
}

// IsArchive reports whether Extract has something to extract; otherwise the
// target is used as the file that it is.
func (f Format) IsArchive() bool { return f.container != plainFile }

// String returns "file", "tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst",
// "tar.lz4" or "zip".
func (f Format) String() string { return formatNames[f] }

// MarshalText implements encoding.TextMarshaler.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it accepts what String returns.
func (f *Format) UnmarshalText(b []byte) error {
	for known, name := range formatNames {
		if name == string(b) {
			*f = known
			return nil
		}
	}
	return fmt.Errorf("%s is not an archive format", quote(string(b)))
}
