package archive

// Options say how to extract. The zero Options are good.
type Options struct {
	Policy Policy
	Limits Limits

	// Reserve, if set, is asked before more is made than was reserved so far:
	// bytes are of disk, in whole blocks, as Report.DiskBytes counts them. It is
	// asked for an eighth more than is needed, at most 32 MiB or 4,096 inodes, so
	// that calls are rare and what is asked for in vain is little; where that is
	// refused it is asked once more, for what is needed at once. That answer's
	// error ends the extraction and is returned as it is. What was reserved and
	// not used is the caller's to give back.
	Reserve func(bytes, inodes int64) error

	// Progress, if set, is told how many bytes of the source were consumed so
	// far, with every read of it: by any goroutine, by several at once, and then
	// perhaps a little out of order. It must be quick.
	Progress func(bytes int64)
}
