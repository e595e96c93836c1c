package archive

import (
	"fmt"
	"math"

	"github.com/cordonlabs/cordon"
)

// Limits bound what one extraction may make and use. A zero field means the
// value of DefaultLimits. Limits count what is really done: inodes made,
// implicit parent directories too; bytes written, holes of sparse files
// included, a file that is replaced by a later entry counted each time.
type Limits struct {
	// Bytes is the most that files may hold together.
	Bytes int64
	// Inodes is the most files, directories and links that may be made.
	Inodes int64
	// Ratio is how many times the size of the archive may be unpacked from it.
	// Up to RatioFloor bytes any ratio is accepted.
	Ratio int64
	// RatioFloor is the number of bytes below which Ratio does not count, for
	// small archives of empty or repetitive files are nothing to fear.
	RatioFloor int64
	// Depth is the most components that a path may have.
	Depth int
	// NameLen is the most bytes that a component of a path may have.
	NameLen int
	// PathLen is the most bytes that a path, or the target of a link, may have.
	PathLen int
	// LinkBytes is the most bytes that all targets of symbolic links may have
	// together: they are kept in memory until every file is there.
	LinkBytes int64
	// LinkSteps is the most components that may be walked through to find out
	// where all symbolic links lead: a few kilobytes hold thousands of links that
	// all go the same way of tens of thousands of components.
	LinkSteps int64
	// DecoderMemory is the largest dictionary or window, in bytes, that a
	// decompressor may ask for.
	DecoderMemory int64
}

// DefaultLimits returns the limits that hold where nothing else is said: roomy
// for the largest real trees (a Linux kernel: 80,000 files, 1.4 GB; a browser
// with its history: 2 million, 100 GB), so that what they refuse is an attack
// or an accident. What fits the disk is the caller's question, see
// Options.Reserve.
func DefaultLimits() Limits {
	return Limits{
		Bytes:      256 * cordon.GiB,
		Inodes:     5_000_000,
		Ratio:      200, // source code packs to a tenth, logs to a hundredth
		RatioFloor: cordon.GiB,
		Depth:      128,
		NameLen:    255,  // what Linux file systems can hold
		PathLen:    4096, // PATH_MAX: longer ones no tool can open
		LinkBytes:  64 * cordon.MiB,
		// 20 for each of the most inodes; about two minutes of one core.
		LinkSteps: 100_000_000,
		// zstd's own decoder stops at the same 128 MiB; xz -9 needs half of it.
		DecoderMemory: 128 * cordon.MiB,
	}
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	or := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	or(&l.Bytes, d.Bytes)
	or(&l.Inodes, d.Inodes)
	or(&l.Ratio, d.Ratio)
	or(&l.RatioFloor, d.RatioFloor)
	or(&l.LinkBytes, d.LinkBytes)
	or(&l.LinkSteps, d.LinkSteps)
	or(&l.DecoderMemory, d.DecoderMemory)
	l.Inodes = min(l.Inodes, math.MaxInt32) // nodes are numbered by 32 bits
	l.DecoderMemory = min(l.DecoderMemory, maxDecoderMemory)
	orInt(&l.Depth, d.Depth)
	orInt(&l.NameLen, d.NameLen)
	orInt(&l.PathLen, d.PathLen)
	return l
}

// unpacked returns how many bytes may come out of an archive of size bytes.
func (l Limits) unpacked(size int64) int64 {
	if size > math.MaxInt64/l.Ratio {
		return math.MaxInt64
	}
	return max(size*l.Ratio, l.RatioFloor)
}

// tooLarge is the refusal of entry name (or of the whole archive, if name is
// empty) because of a limit, spelled as ParseLimits does.
func tooLarge(name, limit, format string, args ...any) error {
	return &cordon.Error{
		Kind: cordon.TargetTooLarge,
		Op:   "extract",
		Name: quoteName(name),
		Err:  fmt.Errorf(format, args...),
		Fix:  fmt.Sprintf("raise this limit if you trust the archive (set %s=… in CORDON_EXTRACT_LIMITS), or pack less into it", limit),
	}
}
