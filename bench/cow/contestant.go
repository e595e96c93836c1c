package main

import (
	"context"
	"slices"
)

// contestant is a way of giving somebody a workspace of the input.
type contestant struct {
	name string

	// peer is who does the same by hand: what a user would pick instead.
	peer string

	// why it cannot take part on this file system, or in this version; nil if it can.
	why error

	readOnly bool // nobody can write into its workspaces
	reads    bool // reading through its workspaces may differ from reading a plain tree

	// make makes the workspace called id and returns its path. It may be called
	// for several ids at once.
	make func(ctx context.Context, id string) (path string, err error)

	// remove takes it away, as far as whoever asks for that waits.
	remove func(ctx context.Context, id, path string) error

	// pending reports whether something of what was removed is still to be
	// deleted; nil: never.
	pending func() (bool, error)
}

const (
	// reference is what everything is compared with.
	reference = "cp -a"

	// From coreutils 9 on cp -a shares blocks where it can; these two say so, or no.
	reflinked = "cp --reflink=always"
	copied    = "cp --reflink=never"
)

// choose returns those of all that the flags want, and what they are compared
// with: cp -a, where their peer cannot take part and they can.
func choose(all []*contestant, opts *options) (chosen []*contestant) {
	needed := map[string]bool{reference: true}
	absent := map[string]bool{}
	for _, c := range all {
		absent[c.name] = c.why != nil
	}
	for _, c := range all {
		if c.why == nil && absent[c.peer] {
			c.peer = reference
		}
	}
	for _, c := range all {
		if opts.wants(c.name) {
			needed[c.name], needed[c.peer] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *contestant) bool { return !needed[c.name] })
}
