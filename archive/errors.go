package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"github.com/cordonlabs/cordon"
)

// fixArchive is the advice for an archive that cannot be accepted.
const fixArchive = "make the archive again, or set `extract: never` to use it as a plain file"

// reject is the refusal of the archive because of entry name, or as a whole if
// name is empty.
func reject(name, format string, args ...any) error {
	return &cordon.Error{
		Kind: cordon.ArchiveRejected,
		Op:   "extract",
		Name: quoteName(name),
		Err:  fmt.Errorf(format, args...),
		Fix:  fixArchive,
	}
}

// quote renders s, which may hold anything at any length, for people.
func quote(s string) string {
	const most = 200 // bytes: enough to find the entry, not enough to flood a log
	if len(s) > most {
		return strconv.Quote(s[:most/2]+"…"+s[len(s)-most/2:]) + fmt.Sprintf(" (%d bytes)", len(s))
	}
	return strconv.Quote(s)
}

func quoteName(name string) string {
	if name == "" {
		return ""
	}
	return quote(name)
}

// asItIs carries an error that must reach the caller unchanged: of Reserve.
type asItIs struct{ err error }

func (e asItIs) Error() string { return e.err.Error() }

// guarded runs f, a step of decoding hostile bytes, and turns a panic in it
// into an error: one bad archive must not end the worker and all its runs.
// Callbacks of the caller are never called from within.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder failed: %v", p)
		}
	}()
	return f()
}

// damaged turns an error of a decoder into the refusal of the archive at entry
// name. Errors that are typed already pass through, with the entry's name where
// they have none.
func damaged(name string, err error, memory int64) error {
	var typed *cordon.Error
	if errors.As(err, &typed) {
		if typed.Name != "" || name == "" {
			return err
		}
		named := *typed
		named.Name = quote(name)
		return &named
	}
	switch {
	case errors.Is(err, xz.ErrMemlimit), errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return tooLarge(name, "decodermemory", "its decompression needs a dictionary of more than %s", cordon.FormatBytes(memory))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return reject(name, "the archive breaks off in the middle")
	case errors.Is(err, tar.ErrHeader):
		return reject(name, "a tar header is damaged")
	case errors.Is(err, io.ErrNoProgress):
		return reject(name, "the compressed data is damaged")
	}
	return reject(name, "the archive is damaged: %s", err)
}

// osError gives an error of the operating system its kind; doing says what was
// being done.
func osError(doing, name string, err error) error {
	e := &cordon.Error{Op: "extract", Name: quoteName(name), Err: fmt.Errorf("%s: %w", doing, err)}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Fix = cordon.NoSpace, "free space or inodes on the disk of the cache, or lower its maximum size"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		e.Kind, e.Fix = cordon.PermissionDenied, "let this user write to the cache directory"
	case errors.Is(err, syscall.EMLINK):
		e.Kind, e.Fix = cordon.TargetTooLarge, "pack fewer hard links to one file"
	case errors.Is(err, syscall.EFBIG):
		e.Kind, e.Fix = cordon.TargetTooLarge, "keep the cache on a file system that can hold files of this size"
	case errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		e.Kind, e.Fix = cordon.ArchiveRejected, "keep the cache on a file system that tells all names of the archive apart"
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EILSEQ), errors.Is(err, syscall.EINVAL):
		e.Kind, e.Fix = cordon.ArchiveRejected, "keep the cache on a file system that can hold the name"
	}
	return e
}
