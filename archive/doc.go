// Package archive recognises archives by their content and extracts them.
//
// Uploaded targets come from strangers. What this package promises of any
// bytes whatever: Extract yields the tree that the archive describes, less
// links that are counted and listed, inside the directory it was given, or it
// fails with a typed error. It never writes, links, reads or changes metadata
// outside that directory; it makes directories, regular files and links that
// stay inside, and nothing else; it passes no limit; it stops soon after its
// context ends.
//
// # How an extraction goes
//
// A source reads the object, counts what was consumed and notices
// cancellation; it may still be arriving. Detect's findings choose a
// decompressor, which works ahead on goroutines of its own, and a reader of
// entries, one for tar and one for zip. Each entry is checked by the tree, a
// plan in memory of what exists so far, and charged to the budget, which knows
// the limits and asks the caller for room; only then does a sink carry it out.
//
//	source ─▶ decoder ─▶ entries ─▶ tree, budget ─▶ sink ─▶ crew
//	          ahead or    one goroutine decides              makes files
//	          frames      and makes directories              on all cores
//
// The sink of Extract makes everything by one name in a directory that it made
// itself and has open: the kernel walks through nothing. Where symbolic links
// lead it asks an *os.Root, in the end. The sink of Inspect makes nothing.
//
// Hard links and then symbolic ones are made last, after every file: no write
// can go through one, whatever the order of entries. Directories get their
// times after that.
//
// Memory of each extraction: the decoder's window; 2 MiB that it is ahead, or up
// to 80 MiB where it decodes several parts of a file at once; 512 KiB for each of
// at most 16 batches of files; the plan, some 200 bytes an inode.
//
// # What is refused, what is dropped
//
// Refused, and with it the whole archive (ArchiveRejected): names with "..",
// NUL or nothing in them, devices, FIFOs, sockets and unknown types, two
// entries for one path that disagree, a file or link used as a directory, hard
// links to anything but a regular file that came before, damage of any kind,
// bytes after the end. A limit that is passed is TargetTooLarge.
//
// Omitted, and listed in the Report: symbolic links that lead outside. Dropped,
// and listed: set-id and sticky bits, access control lists, extended attributes.
// Dropped without a word, because every archive has them: owners.
//
// # What is not promised
//
// Extract does not sync; the caller does, before it publishes. After an error
// the directory holds whatever was made until then; the caller removes it.
// While Extract runs, nobody else may change the directory.
package archive
