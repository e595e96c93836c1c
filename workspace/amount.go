package workspace

// amount is a part of the disk: bytes of allocated blocks, and inodes, which run
// out before the bytes where a corpus is stored.
type amount struct{ bytes, inodes int64 }

func (a amount) plus(b amount) amount  { return amount{a.bytes + b.bytes, a.inodes + b.inodes} }
func (a amount) minus(b amount) amount { return amount{a.bytes - b.bytes, a.inodes - b.inodes} }

// any reports whether a is more than nothing, of either.
func (a amount) any() bool { return a.bytes > 0 || a.inodes > 0 }

// covers reports whether a is enough where b is asked for.
func (a amount) covers(b amount) bool { return a.bytes >= b.bytes && a.inodes >= b.inodes }
