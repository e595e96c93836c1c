package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// readingRounds is how often everything is read in each way.
const readingRounds = 5

// grep reads everything, and finds nothing.
func grep(ctx context.Context, dir string) error {
	err := lab.CommandIn(ctx, dir, "grep", "-r", "no such text in any file", ".")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	return err
}

// tar writes into a pipe: it does not read at all what it is to write to /dev/null.
func tar(ctx context.Context, dir string) error {
	return lab.CommandIn(ctx, dir, "sh", "-c", "tar -cf - . | cat > /dev/null")
}

// reading reads through a workspace of each contestant whose workspaces may read
// differently, in turns with the plain tree.
func (s *stand) reading(ctx context.Context, samples int) error {
	if !s.in.reading {
		return nil
	}
	all := s.contestants
	defer func() { s.contestants = all }()
	s.contestants = nil
	paths, ids := map[*contestant]string{}, map[*contestant]string{}
	for _, c := range all {
		if c.reads {
			s.contestants = append(s.contestants, c)
		}
	}
	err := s.each(ctx, "making one to read", func(c *contestant) (err error) {
		ids[c] = s.name()
		paths[c], err = c.make(ctx, ids[c])
		return err
	})
	if err != nil {
		return err
	}
	// Turns with the plain tree: it is a contestant here, and nowhere else.
	plain := &contestant{name: "plain"}
	paths[plain], s.rows[plain] = s.plain, &row{}
	s.contestants = append([]*contestant{plain}, s.contestants...)
	for i := range min(readingRounds, samples) {
		err := s.each(ctx, fmt.Sprintf("reading, round %d", i+1), func(c *contestant) error { return s.read(ctx, c, paths[c]) })
		if err != nil {
			return err
		}
	}
	for _, c := range s.contestants[1:] {
		s.rows[c].Grep.Ratio = lab.Ratio(s.rows[c].Grep.Median, s.rows[plain].Grep.Median)
		s.rows[c].Tar.Ratio = lab.Ratio(s.rows[c].Tar.Median, s.rows[plain].Tar.Median)
	}
	s.contestants = s.contestants[1:]
	return s.each(ctx, "removing it", func(c *contestant) error { return c.remove(ctx, ids[c], paths[c]) })
}

// read reads dir in both ways; once before, for a kernel may have dropped by now
// what was read a round ago.
func (s *stand) read(ctx context.Context, c *contestant, dir string) error {
	if err := tar(ctx, dir); err != nil {
		return err
	}
	for _, by := range []struct {
		how  func(context.Context, string) error
		took *reading
	}{{grep, &s.rows[c].Grep}, {tar, &s.rows[c].Tar}} {
		start := time.Now()
		if err := by.how(ctx, dir); err != nil {
			return err
		}
		by.took.AddTime(time.Since(start))
	}
	return nil
}
