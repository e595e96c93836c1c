package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// bench is what all objects are measured with.
type bench struct {
	opts *options
	dir  string
	rep  *report

	minio             *minioServer // nil: none is wanted, or to be had
	python            string       // has boto3
	noMinio, noPython error
}

func (b *bench) close() error {
	if b.minio == nil {
		return nil
	}
	return b.minio.close()
}

// input measures one object on every place.
func (b *bench) input(ctx context.Context, in *input) (err error) {
	b.rep.say("%s: packing it, if it is not kept", in.name)
	if err := in.keep(ctx); err != nil {
		return err
	}
	if b.minio != nil {
		if err := in.putInto(ctx, b.minio.store); err != nil {
			return err
		}
		id, err := cordon.ParseTargetID(in.name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.minio.store.Remove(context.WithoutCancel(ctx), id)) }()
	}
	for _, place := range b.opts.places {
		if n := b.opts.rounds(in, place); n > 0 {
			if err := b.on(ctx, in, place, n); err != nil {
				return fmt.Errorf("on %s: %w", place, err)
			}
		}
	}
	return nil
}

// putInto uploads the object as it is.
func (in *input) putInto(ctx context.Context, store target.Store) error {
	id, err := cordon.ParseTargetID(in.name)
	if err != nil {
		return err
	}
	f, err := os.Open(in.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = store.Put(ctx, id, f, target.PutOptions{Size: in.kept.Bytes, SHA256: in.SHA256})
	return err
}

// stand is one object on one place, with everybody who takes part.
type stand struct {
	bench       *bench
	in          *input
	place       string
	store       *dir.Store
	plain       string // the uncompressed archive, in memory
	contestants []*contestant
	rows        map[*contestant]*row
}

// on measures an object on one place, n times.
func (b *bench) on(ctx context.Context, in *input, place string, n int) (err error) {
	s := &stand{bench: b, in: in, place: place, rows: map[*contestant]*row{}}
	b.rep.say("%s on %s: laying out the object", in.name, place)
	mem, err := lab.MountMemory(filepath.Join(b.dir, "memory"), in.plainBytes()+in.kept.Bytes+cordon.GB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mem.Close()) }()
	under := mem.Point
	if place == disk {
		under = b.dir
	}
	root := filepath.Join(under, "store")
	defer os.RemoveAll(root) // below a directory that is removed in the end
	if s.store, err = dir.Open(root); err != nil {
		return err
	}
	if err := in.putInto(ctx, s.store); err != nil {
		return err
	}
	s.plain = filepath.Join(mem.Point, "plain")
	if err := s.layPlain(ctx); err != nil {
		return err
	}
	section := &section{Input: in.name, Tree: in.tree.name, Format: in.format, Place: place, Files: in.Files, Bytes: in.TreeBytes,
		Inodes: in.Inodes, Object: in.kept.Bytes, Window: in.Window}
	b.rep.Sections = append(b.rep.Sections, section)
	for _, c := range s.all() {
		r := &row{Name: c.name, Store: c.store}
		section.Rows = append(section.Rows, r)
		if c.why != nil {
			r.Unavailable = c.why.Error()
			continue
		}
		s.contestants = append(s.contestants, c)
		s.rows[c] = r
	}
	for round := range n {
		if err := s.round(ctx, round, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) layPlain(ctx context.Context) error {
	f, err := os.Create(s.plain)
	if err != nil {
		return err
	}
	return errors.Join(s.in.tree.pour(ctx, f, s.in.format), f.Close())
}

// objectPath is the object's file in the directory store.
func (s *stand) objectPath() string {
	return filepath.Join(s.store.Root(), "targets", s.in.name, "target")
}

// all returns those whom the flags want.
func (s *stand) all() (all []*contestant) {
	if s.bench.opts.uses(dirStore) {
		all = append(all, s.fromDirectory()...)
	}
	if s.bench.minio != nil {
		all = append(all, s.fromMinio()...)
	}
	all = append(all, s.limits()...)
	return slices.DeleteFunc(all, func(c *contestant) bool { return !s.bench.opts.wants(c.name) })
}

// turn returns all contestants in the order of round i, each of which begins with
// another one: who comes first may find a machine that has just given memory back
// to its host, and pays for taking it again.
func turn(all []*contestant, i int) []*contestant {
	if len(all) == 0 {
		return nil
	}
	first := i % len(all)
	return slices.Concat(all[first:], all[:first])
}

// round takes a sample of every contestant. One that fails is out, and its row
// says why; the error is the end of everything.
func (s *stand) round(ctx context.Context, i, n int) error {
	for _, c := range turn(s.contestants, i) {
		s.bench.rep.say("%s on %s: round %d of %d: %s%s", s.in.name, s.place, i+1, n, c.name, from(c.store))
		a, err := s.sample(ctx, c, i == 0)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.rows[c].Failed = err.Error()
			s.bench.rep.Broken++
			s.bench.rep.say("%s on %s: %s FAILED: %v", s.in.name, s.place, c.name, err)
			s.contestants = slices.DeleteFunc(s.contestants, func(o *contestant) bool { return o == c })
			continue
		}
		s.rows[c].add(a)
	}
	return nil
}

func from(store string) string {
	if store == "" {
		return ""
	}
	return " from " + store
}
