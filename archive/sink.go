package archive

import "time"

// sink carries out what the plan has decided. Paths are relative, checked, and
// in the order that the calls need: parents first. Errors have their kind.
type sink interface {
	maker
	finisher
}

// maker makes things where nothing is.
type maker interface {
	mkdir(path string) error
	// create makes a regular file, removing the regular file there first if
	// replace is set.
	create(path string, replace bool) (output, error)
	// link gives the regular file old another name.
	link(old, path string) error
	symlink(target, path string) error
}

// finisher is called once everything is made.
type finisher interface {
	// stays reports whether the symbolic link at path leads to somewhere inside
	// or to nowhere. One that does not is removed.
	stays(path string) (bool, error)
	// finishDir sets a directory's mode, and its time unless modified is zero.
	finishDir(path string, modified time.Time) error
}

// output is a regular file being written. It ends with finish or abandon.
type output interface {
	writeAt(p []byte, off int64) error
	// finish gives the file its size, mode and time.
	finish(size int64, exec bool, modified time.Time) error
	abandon()
}

// nothing is the sink that makes nothing.
type nothing struct{}

func (nothing) mkdir(string) error                  { return nil }
func (nothing) create(string, bool) (output, error) { return nothing{}, nil }
func (nothing) link(string, string) error           { return nil }
func (nothing) symlink(string, string) error        { return nil }
func (nothing) stays(string) (bool, error)          { return true, nil }
func (nothing) finishDir(string, time.Time) error   { return nil }

func (nothing) writeAt([]byte, int64) error         { return nil }
func (nothing) finish(int64, bool, time.Time) error { return nil }
func (nothing) abandon()                            {}
