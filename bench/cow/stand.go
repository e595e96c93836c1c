package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// stand is one input on one file system, with everybody who takes part.
type stand struct {
	in          *input
	vol         *lab.Volume
	plain       string // the tree or file that others copy, extracted like the cache's own
	contestants []*contestant
	rows        map[*contestant]*row
	rep         *report
	next        int // the number of the next workspace
}

// measureOn measures an input on a new file system of the type fs, which is gone
// when it returns.
func measureOn(ctx context.Context, opts *options, in *input, fs, dir string, rep *report) (err error) {
	rep.say("%s on %s: making the file system", in.name, fs)
	v, err := lab.MountVolume(ctx, fs, dir, in.volumeBytes())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()

	s := &stand{in: in, vol: v, rows: map[*contestant]*row{}, rep: rep}
	if err := s.layPlain(ctx); err != nil {
		return err
	}
	work := filepath.Join(v.Point, "others")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	cache := &cordonCache{in: in, dir: filepath.Join(v.Point, "cache")}
	defer func() { err = errors.Join(err, cache.close()) }()
	rep.say("%s on %s: filling the cache", in.name, fs)
	ours, err := cache.contestants(ctx, opts.wants)
	if err != nil {
		return err
	}
	section := &section{Input: in.name, FS: fs, Files: in.summary.Files, Bytes: in.summary.Bytes, Object: in.summary.UploadSize, Written: in.files}
	rep.Sections = append(rep.Sections, section)
	for _, c := range choose(append(ours, others(in, v, s.plain, work)...), opts) {
		r := &row{Name: c.name, Peer: c.peer}
		section.Rows = append(section.Rows, r)
		if c.why != nil {
			r.Unavailable = c.why.Error()
			continue
		}
		s.contestants = append(s.contestants, c)
		s.rows[c] = r
	}
	for _, step := range []func(context.Context, int) error{s.trials, s.crowds, s.reading} {
		if err := step(ctx, opts.samples); err != nil {
			return err
		}
	}
	return nil
}

// layPlain makes the plain tree or file; on btrfs the tree is a subvolume, for
// others to take snapshots of.
func (s *stand) layPlain(ctx context.Context) error {
	s.plain = filepath.Join(s.vol.Point, "plain")
	if s.in.lone {
		return s.in.download(ctx, s.plain)
	}
	err := error(nil)
	if s.vol.FS == "btrfs" {
		err = lab.Command(ctx, "btrfs", "subvolume", "create", s.plain)
	} else {
		err = os.Mkdir(s.plain, 0o755)
	}
	if err != nil {
		return err
	}
	object := s.plain + ".target"
	if err := s.in.unpack(ctx, object, s.plain); err != nil {
		return err
	}
	return os.Remove(object)
}

// name returns a name for the next workspace.
func (s *stand) name() string {
	s.next++
	return fmt.Sprintf("w%06d", s.next)
}

// each calls do for every contestant in turn. One that fails is out, and its row
// says why; the error is the end of everything.
func (s *stand) each(ctx context.Context, what string, do func(*contestant) error) error {
	for _, c := range slices.Clone(s.contestants) {
		s.rep.say("%s on %s: %s: %s", s.in.name, s.vol.FS, what, c.name)
		err := do(c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.rows[c].Failed = err.Error()
			s.rep.Broken++
			s.rep.say("%s on %s: %s FAILED: %v", s.in.name, s.vol.FS, c.name, err)
			s.contestants = slices.DeleteFunc(s.contestants, func(o *contestant) bool { return o == c })
		}
	}
	return nil
}

// complete reports what is wrong with a workspace at first sight.
func (s *stand) complete(ws string) error {
	if s.in.lone {
		info, err := os.Stat(ws)
		if err == nil && info.Size() != s.in.summary.Bytes {
			err = fmt.Errorf("%s has %d bytes instead of %d", ws, info.Size(), s.in.summary.Bytes)
		}
		return err
	}
	want, err := os.ReadDir(s.plain)
	if err != nil {
		return err
	}
	have, err := os.ReadDir(ws)
	if err == nil && len(have) != len(want) {
		err = fmt.Errorf("%s holds %d names instead of %d", ws, len(have), len(want))
	}
	return err
}
