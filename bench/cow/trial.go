package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cordonlabs/cordon/bench/internal/lab"
)

const (
	// slow is from when on a contestant is asked less often: whoever needs a second
	// is measured well enough by three samples.
	slow        = time.Second
	slowSamples = 3

	// freeing bounds the wait for the disk to be free again: what takes longer is
	// a leak, and no slow disk.
	freeing = 10 * time.Minute
)

// trials takes samples of one workspace at a time, in rounds.
func (s *stand) trials(ctx context.Context, samples int) error {
	for i := range samples {
		err := s.each(ctx, fmt.Sprintf("one workspace, round %d of %d", i+1, samples), func(c *contestant) error {
			if r := s.rows[c]; i >= slowSamples && r.Ready.Min > slow.Seconds() {
				return nil
			}
			return s.trial(ctx, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trial takes a workspace through its life: made, looked at, written to, removed.
func (s *stand) trial(ctx context.Context, c *contestant) error {
	r, id := s.rows[c], s.name()
	before, err := s.vol.Rest(ctx)
	if err != nil {
		return err
	}

	start := time.Now()
	ws, err := c.make(ctx, id)
	ready := time.Since(start)
	if err == nil {
		err = s.complete(ws)
	}
	if err != nil {
		return err
	}
	r.Ready.AddTime(ready)

	if err := s.vol.Sync(); err != nil {
		return err
	}
	after, err := s.vol.Used()
	if err != nil {
		return err
	}
	r.Disk.Add(float64(after - before))

	if !c.readOnly {
		if err := s.firstWrites(r, ws); err != nil {
			return err
		}
	}
	start = time.Now()
	if err := c.remove(ctx, id, ws); err != nil {
		return err
	}
	r.Remove.AddTime(time.Since(start))
	if err := s.untilFree(ctx, c, before, after); err != nil {
		return err
	}
	r.Freed.AddTime(time.Since(start))
	return nil
}

// firstWrites times one byte written into the middle of each file that the input
// names, from opening it to closing it.
func (s *stand) firstWrites(r *row, ws string) error {
	for i, f := range s.in.files {
		start := time.Now()
		file, err := os.OpenFile(filepath.Join(ws, f.Name), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteAt([]byte{'!'}, f.Bytes/2)
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		for len(r.FirstWrite) <= i {
			r.FirstWrite = append(r.FirstWrite, lab.Spread{})
		}
		r.FirstWrite[i].AddTime(time.Since(start))
	}
	return s.vol.Sync()
}

// slack is what a file system may have taken for itself (journal, trees) where
// the disk counts as free again: 256 KiB, and a twentieth of what was taken.
func slack(before, after int64) int64 { return 256<<10 + max(0, after-before)/20 }

// untilFree waits until what was removed is deleted and its disk free again.
// before and after are what was in use before it was made, and then.
func (s *stand) untilFree(ctx context.Context, c *contestant, before, after int64) error {
	pause := time.Millisecond
	for end := time.Now().Add(freeing); ; {
		busy, err := c.isPending()
		if err != nil {
			return err
		}
		now, err := s.vol.Used()
		if err != nil {
			return err
		}
		if !busy && now <= before+slack(before, after) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s after the removal %d bytes are still taken (still deleting: %t)", freeing, now-before, busy)
		}
		if !busy { // what was deleted is counted with the file system's next transaction
			if err := s.vol.Sync(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

func (c *contestant) isPending() (bool, error) {
	if c.pending == nil {
		return false, nil
	}
	return c.pending()
}
