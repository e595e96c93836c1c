package workspace

import (
	"context"

	"github.com/cordonlabs/cordon"
)

// Scratch is an empty directory in the cache for what is neither a target nor a
// run's workspace, and gone soon: what a tool writes that works on a tree which is
// not to be written. It counts against the limits as long as it is there, and if
// this process dies, the next sweep takes it away.
type Scratch struct{ s *staging }

// Scratch makes one for what, in the words of people, and reserves bytes and inodes
// for it, evicting what nobody uses if need be. To keep within them is the caller's
// to see to. The errors are those of Get for want of room.
func (c *Cache) Scratch(ctx context.Context, what string, bytes, inodes int64) (*Scratch, error) {
	s, err := c.stage(what)
	if err != nil {
		return nil, &cordon.Error{Op: "make a directory for " + what, Err: err}
	}
	if err := s.need(ctx, amount{blocks(bytes), inodes}); err != nil {
		s.discard()
		return nil, &cordon.Error{Op: "make a directory for " + what, Err: err}
	}
	return &Scratch{s}, nil
}

// Dir returns the directory's absolute path.
func (s *Scratch) Dir() string { return s.s.c.abs(s.s.at("")) }

// Release gives the directory and its reservation back, whatever is in it.
func (s *Scratch) Release() { s.s.discard() }
