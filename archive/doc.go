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
// cancellation. Detect's findings choose a decompressor and a reader of
// entries, one for tar and one for zip. Each entry is checked by the tree, a
// plan in memory of what exists so far, and charged to the budget, which knows
// the limits and asks the caller for room; only then does a sink carry it out.
// The sink of Extract is an *os.Root, so that the kernel resolves every name
// beneath the directory; the sink of Inspect makes nothing.
//
// Symbolic links are made last, after every file: no write can go through
// one, whatever the order of entries. Directories get their times after that.
//
// # What is refused, what is dropped
//
// Refused, and with it the whole archive (ArchiveRejected): names with "..",
// NUL or nothing in them, devices, FIFOs, sockets and unknown types, two
// entries for one path that disagree, a file or link used as a directory, hard
// links to anything but a regular file that came before, damage of any kind,
// bytes after the end. A limit that is passed is TargetTooLarge.
//
// Dropped, and listed in the Report: symbolic links that lead outside. Dropped
// without a word, because a workspace has no use for them: owners, set-id and
// sticky bits, access control lists, extended attributes.
//
// # What is not promised
//
// Extract does not sync; the caller does, before it publishes. After an error
// the directory holds whatever was made until then; the caller removes it.
// While Extract runs, nobody else may change the directory.
package archive
