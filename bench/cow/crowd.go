package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// quickEnough is up to when a contestant is asked for a hundred at once, if
	// these do not take more disk than one copy.
	quickEnough = 100 * time.Millisecond

	fewAtOnce, manyAtOnce = 10, 100

	// crowdRounds is how often a crowd of quick ones is made; slow ones once, for
	// a crowd is a sample of many by itself.
	crowdRounds = 3
)

// crowds makes many workspaces at once: 10 and 100 by whoever is quick, else 10,
// or as many as the disk should be asked to hold.
func (s *stand) crowds(ctx context.Context, samples int) error {
	for _, n := range []int{fewAtOnce, manyAtOnce} {
		for i := range min(crowdRounds, samples) {
			err := s.each(ctx, fmt.Sprintf("%d at once, round %d", n, i+1), func(c *contestant) error {
				size := n
				if r := s.rows[c]; r.Ready.Min > quickEnough.Seconds() || int64(r.Disk.Median)*manyAtOnce > s.in.tree {
					size = s.in.crowdOfCopies()
					if n == manyAtOnce || i > 0 || size < 2 {
						return nil
					}
				}
				return s.crowd(ctx, c, n, size)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// crowd makes size workspaces at once, and removes them. asked is the column that it is for.
func (s *stand) crowd(ctx context.Context, c *contestant, asked, size int) error {
	before, err := s.vol.Rest(ctx)
	if err != nil {
		return err
	}
	memory, err := kernelMemory()
	if err != nil {
		return err
	}
	ids, paths, took := make([]string, size), make([]string, size), make([]time.Duration, size)
	for i := range ids {
		ids[i] = s.name()
	}
	start := time.Now()
	err = together(size, func(i int) (err error) {
		paths[i], err = c.make(ctx, ids[i])
		took[i] = time.Since(start)
		return err
	})
	total := time.Since(start)
	if err != nil {
		return err
	}
	now, err := kernelMemory()
	if err != nil {
		return err
	}
	s.rows[c].crowd(asked, size).add(total, took, (now-memory)/int64(size))
	if err := s.vol.Sync(); err != nil {
		return err
	}
	after, err := s.vol.Used()
	if err != nil {
		return err
	}
	err = together(size, func(i int) error { return c.remove(ctx, ids[i], paths[i]) })
	return errors.Join(err, s.untilFree(ctx, c, before, after))
}

// together calls do for 0 to n-1 at once and returns the first error by number:
// the others are mostly the same.
func together(n int, do func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// kernelMemory returns what the kernel has taken for itself, in bytes: mounts,
// inodes, names and the like, of all processes. The page cache is not in it.
func kernelMemory() (sum int64, err error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "Slab", "Percpu", "KernelStack", "PageTables":
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/meminfo: %w", err)
			}
			sum += kb << 10
		}
	}
	return sum, lines.Err()
}
