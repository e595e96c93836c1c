package archive

import (
	"io"
	"time"
)

// sink carries out what the plan has decided. What it makes is a node of the
// plan's tree already, below directories that were made before. It is used by
// the goroutine that reads the archive. Errors have their kind.
type sink interface {
	maker
	finisher
}

// maker makes what holds content.
type maker interface {
	mkdir(id nodeID) error
	// create begins a regular file. One that was made there before is replaced.
	create(id nodeID, f fileSpec, replace bool) (output, error)
	// flush returns when every file that was finished is there, or with the error
	// of the first one that cannot be made.
	flush() error
}

// finisher is called once every file is there.
type finisher interface {
	// link gives the regular file old another name.
	link(old, id nodeID) error
	symlink(target string, id nodeID) error
	// stays reports whether the symbolic link leads to somewhere inside or to
	// nowhere. One that does not is removed.
	stays(id nodeID) (bool, error)
	// finishDir sets a directory's time unless modified is zero.
	finishDir(id nodeID, modified time.Time) error
}

// puller is a sink that makes files on goroutines of its own, for entries whose
// content can be read apart from the rest of the archive.
type puller interface {
	pull(id nodeID, f fileSpec, replace bool, body io.Reader) error
}

// fileSpec is what a regular file is to be.
type fileSpec struct {
	path     string // for messages
	spelling string // of the entry, for refusals
	size     int64
	sparse   bool // parts of it may not be put
	exec     bool
	modified time.Time
}

// output is a regular file being written. It ends with finish or abandon.
type output interface {
	// room returns a buffer for what comes next: n bytes, or fewer. It is good
	// until the next call of room.
	room(n int64) []byte
	// put writes p, which is part of what room returned last.
	put(p []byte, off int64) error
	finish() error
	abandon()
}

// nothing is the sink that makes nothing.
type nothing struct{ buf []byte }

func (nothing) mkdir(nodeID) error                              { return nil }
func (s nothing) create(nodeID, fileSpec, bool) (output, error) { return s, nil }
func (nothing) flush() error                                    { return nil }
func (nothing) link(nodeID, nodeID) error                       { return nil }
func (nothing) symlink(string, nodeID) error                    { return nil }
func (nothing) stays(nodeID) (bool, error)                      { return true, nil }
func (nothing) finishDir(nodeID, time.Time) error               { return nil }

func (s nothing) room(n int64) []byte   { return s.buf[:min(n, int64(len(s.buf)))] }
func (nothing) put([]byte, int64) error { return nil }
func (nothing) finish() error           { return nil }
func (nothing) abandon()                {}
