package workspace

import (
	"crypto/rand"
	"errors"
	"os"
	"path"
	"strings"
)

// probeBytes is a block of a file system's, so that a disk which is full refuses it.
const probeBytes = 4096

// Writable tries whether the cache can be written, by a file that is gone again when
// it returns; what a process that is killed leaves of it the next sweep takes away.
// The error is PermissionDenied or NoSpace, as far as it is known. Safe beside
// everything else.
func (c *Cache) Writable() error {
	if err := c.revive(); err != nil {
		return err
	}
	name := path.Join(stagingDir, strings.ToLower(rand.Text()))
	f, err := c.root().OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if lacking(err) { // emptied in this very moment
		if err = c.rebuild(); err == nil {
			f, err = c.root().OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		}
	}
	if err != nil {
		return diskError("write into the cache", c.dir, err)
	}
	_, err = f.Write(make([]byte, probeBytes))
	err = errors.Join(err, f.Close())
	if rerr := c.root().Remove(name); rerr != nil && !lacking(rerr) { // a sweep may have been quicker
		err = errors.Join(err, rerr)
	}
	return diskError("write into the cache", c.dir, err)
}
