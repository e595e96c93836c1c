package archive

// Options.Reserve is asked for an eighth more than what is needed, within these
// bounds: calls stay rare, and what a cache near its limit is asked for in vain,
// and may refuse or evict others for, stays small.
const (
	ahead                   = 8
	leastBytes, mostBytes   = 1 << 20, 32 << 20
	leastInodes, mostInodes = 256, 4096
)

// diskBlock is what file systems allocate at least for content, in bytes.
const diskBlock = 4 << 10

// longTarget is the length in bytes from which the target of a symbolic link
// no longer fits into the inode of ext4.
const longTarget = 60

// budget knows what was made and what may be. Every method is called before
// the deed.
type budget struct {
	limits   Limits
	unpacked int64 // most bytes that files may hold by the ratio
	reserve  func(bytes, inodes int64) error

	// For the limits: everything that was ever done.
	written, made, linkText, linkSteps int64

	// For the disk: what is there now, and what was reserved.
	disk, inodes       int64
	gotDisk, gotInodes int64
}

func newBudget(l Limits, size int64, reserve func(bytes, inodes int64) error) *budget {
	return &budget{limits: l, unpacked: l.unpacked(size), reserve: reserve}
}

// name is charged for every name made, of an inode or a hard link.
func (b *budget) name(entry string) error {
	if b.made++; b.made > b.limits.Inodes {
		return tooLarge(entry, "inodes", "the archive makes more than %d files, directories and links", b.limits.Inodes)
	}
	return nil
}

// content is charged for n bytes of a file, before the first of them is written.
func (b *budget) content(entry string, n int64) error {
	if n > b.limits.Bytes-b.written {
		return tooLarge(entry, "bytes", "the archive's files hold more than %d bytes", b.limits.Bytes)
	}
	if n > b.unpacked-b.written {
		return tooLarge(entry, "ratio", "the archive's files hold more than %d bytes, %d times its size", b.unpacked, b.limits.Ratio)
	}
	b.written += n
	return nil
}

// target is charged for the target of a symbolic link, which is kept in memory.
func (b *budget) target(entry, target string) error {
	if b.linkText += int64(len(target)); b.linkText > b.limits.LinkBytes {
		return tooLarge(entry, "linkbytes", "the targets of all symbolic links have more than %d bytes", b.limits.LinkBytes)
	}
	return nil
}

// steps is charged for what was walked through to resolve a symbolic link. One
// link walks through 40 targets at most, so this call may come after the walk;
// the kernel's own, which is slower, comes after it.
func (b *budget) steps(entry string, n int64) error {
	if b.linkSteps += n; b.linkSteps > b.limits.LinkSteps {
		return tooLarge(entry, "linksteps", "resolving the symbolic links takes more than %d steps", b.limits.LinkSteps)
	}
	return nil
}

// take is charged for disk bytes, in whole blocks, and inodes.
func (b *budget) take(disk, inodes int64) error {
	b.disk += disk
	b.inodes += inodes
	askDisk, askInodes := b.disk-b.gotDisk, b.inodes-b.gotInodes
	if b.reserve == nil || askDisk <= 0 && askInodes <= 0 {
		return nil
	}
	askDisk, askInodes = max(askDisk, 0), max(askInodes, 0)
	moreDisk, moreInodes := askDisk, askInodes
	if askDisk > 0 {
		moreDisk = max(askDisk, leastBytes, min(b.disk/ahead, mostBytes))
	}
	if askInodes > 0 {
		moreInodes = max(askInodes, leastInodes, min(b.inodes/ahead, mostInodes))
	}
	if err := b.reserve(moreDisk, moreInodes); err != nil {
		// What is refused in advance may do for now.
		moreDisk, moreInodes = askDisk, askInodes
		if err := b.reserve(moreDisk, moreInodes); err != nil {
			return asItIs{err}
		}
	}
	b.gotDisk += moreDisk
	b.gotInodes += moreInodes
	return nil
}

// release is told that a file is gone again; what was reserved for it stays.
func (b *budget) release(disk, inodes int64) {
	b.disk -= disk
	b.inodes -= inodes
}

// blocks rounds n bytes up to whole disk blocks.
func blocks(n int64) int64 { return (n + diskBlock - 1) / diskBlock * diskBlock }

// linkBlocks is the disk that a symbolic link takes besides its inode.
func linkBlocks(target string) int64 {
	if len(target) < longTarget {
		return 0
	}
	return diskBlock
}
