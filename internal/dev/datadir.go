package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
)

const (
	databaseFile = "temporal.db"
	lockFile     = "temporal.lock"
)

// InUseError says that another server uses a data directory. Address is where
// that one can be reached, or "" while it starts.
type InUseError struct {
	Dir     string
	Address string
}

func (e *InUseError) Error() string {
	if e.Address == "" {
		return "another cordon uses this folder"
	}
	return "another cordon uses this folder; its Temporal is at " + e.Address
}

// dataDir is a directory that this process alone uses, for as long as it holds
// the lock. Its methods may be called on nil, which is a server in memory.
type dataDir struct {
	path string
	root *os.Root
	lock *flock.Lock
}

// openDataDir makes the directory if need be and locks it.
func openDataDir(path string) (*dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, dataDirError(path, err)
	}
	// Histories hold what workflows were given: nobody else's business.
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, dataDirError(path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, dataDirError(path, err)
	}
	lock, err := flock.Try(root, lockFile, flock.Exclusive)
	if err == nil && lock != nil {
		d := &dataDir{path, root, lock}
		d.write(nil) // what the one before has left is not where we are
		return d, nil
	}
	defer root.Close() // it was only read
	if err != nil {
		return nil, dataDirError(path, err)
	}
	used := &InUseError{Dir: path, Address: readAddress(root)}
	fix := "stop it, or choose another folder with --data"
	if used.Address != "" {
		fix = fmt.Sprintf("stop it, use it with TEMPORAL_ADDRESS=%s, or choose another folder with --data", used.Address)
	}
	return nil, &cordon.Error{Kind: cordon.Busy, Op: "open the data folder", Name: path, Err: used, Fix: fix}
}

// note is what the lock file says about its holder, for people and for the next.
type note struct {
	Address string `json:"address"`
	PID     int    `json:"pid"`
}

// announce writes down where the server is.
func (d *dataDir) announce(address string) {
	if d == nil {
		return
	}
	text, err := json.Marshal(note{address, os.Getpid()})
	if err != nil {
		panic(err) // a struct of a string and a number
	}
	d.write(append(text, '\n'))
}

// write replaces the note. That it may fail does not matter: the lock excludes
// others, and what is written only makes their message a better one.
func (d *dataDir) write(text []byte) {
	f := d.lock.File()
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(text, 0)
	}
}

func readAddress(root *os.Root) string {
	f, err := root.Open(lockFile)
	if err != nil {
		return "" // the message does without
	}
	defer f.Close() // it was only read
	var n note
	if json.NewDecoder(io.LimitReader(f, 4<<10)).Decode(&n) != nil {
		return "" // as above
	}
	return n.Address
}

// database is the path of the SQLite file.
func (d *dataDir) database() string { return filepath.Join(d.path, databaseFile) }

// close gives the directory back.
func (d *dataDir) close() {
	if d == nil {
		return
	}
	d.write(nil)
	d.lock.Unlock()
	d.root.Close() // nothing was written through it
}

func dataDirError(path string, err error) error {
	e := &cordon.Error{Kind: cordon.InvalidArgument, Op: "open the data folder", Name: path, Err: err,
		Fix: "choose another folder with --data"}
	if errors.Is(err, os.ErrPermission) {
		e.Kind = cordon.PermissionDenied
		e.Fix = "let this user write there, or choose another folder with --data"
	}
	var pe *os.PathError
	if errors.As(err, &pe) && pe.Path == path {
		e.Err = pe.Err // the path stands in Name already
	}
	return e
}
