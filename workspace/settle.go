package workspace

import (
	"context"
	"os"
	"path"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/internal/durable"
)

// What is published is there for every process at once, and for the next boot a
// little later: syncing a large tree takes seconds, which no run should wait
// for. Until then its record says which boot it belongs to, and after a power
// failure it is a miss. A settled entry has a file of its staging id's name in
// settledDir; it is made after everything before it has reached the disk.

// settleDelay is how long publishing is over before the disk is synced: short
// runs are gone by then, and many entries share one sync.
const settleDelay = 2 * time.Second

type settler struct {
	mu      sync.Mutex
	waiting []*record
	running bool
}

func settledFile(r *record) string { return path.Join(settledDir, r.Staging) }

// settles reports whether r's entry can be made to survive a restart.
func (r *record) settles() bool { return !r.Volatile }

// settle makes r's entry survive a restart, soon. What it misses, because the
// process ends, is made up for by a sweep.
func (c *Cache) settle(r *record) {
	if !r.settles() || c.bound {
		return
	}
	s := &c.settler
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, r)
	if s.running {
		return
	}
	s.running = true
	go func() {
		for {
			select {
			case <-c.stopping.Done():
				return
			case <-time.After(settleDelay):
			}
			s.mu.Lock()
			batch := s.waiting
			s.waiting, s.running = nil, len(batch) > 0
			s.mu.Unlock()
			if len(batch) == 0 {
				return
			}
			if err := c.settleNow(c.stopping, batch); err != nil && c.stopping.Err() == nil {
				c.log.Warn("cannot write cached entries through to the disk; they are lost if the machine restarts", "error", err)
			}
		}
	}()
}

// settleNow settles those of batch that are still there.
func (c *Cache) settleNow(ctx context.Context, batch []*record) error {
	var still []*record
	for _, r := range batch {
		now, err := c.readRecord(r.Key)
		if err == nil && now != nil && now.Staging == r.Staging && now.State == complete {
			still = append(still, r)
		}
	}
	if len(still) == 0 {
		return nil
	}
	// The kernel does not let go of who waits for a disk: a cancelled sync goes on
	// by itself.
	synced := make(chan error, 1)
	root := c.root()
	go func() { synced <- durable.SyncTree(root, ".") }()
	select {
	case err := <-synced:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// One sync for all of these too: a name that a power failure takes away is a miss.
	for _, r := range still {
		f, err := root.OpenFile(settledFile(r), os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return durable.SyncDir(root, settledDir)
}

// settled reports whether r's entry has survived the restart that r.Boot tells of.
func (c *Cache) settled(r *record) bool {
	_, err := c.root().Lstat(settledFile(r))
	return !gone(err)
}

// unsettle forgets that r's entry was settled, when the entry goes.
func (c *Cache) unsettle(r *record) {
	// What stays of these is swept.
	_ = c.root().Remove(settledFile(r))
	_ = c.root().Remove(manifestFile(r.Staging))
}

// settleRest settles what processes that ended meanwhile did not get round to.
func (s *sweep) settleRest() error {
	c := s.c
	if s.opts.DryRun {
		return nil
	}
	records, err := c.written()
	if err != nil {
		return err
	}
	names, err := s.names(settledDir)
	if err != nil {
		return err
	}
	settled := make(map[string]bool, len(names))
	for _, n := range names {
		settled[n] = true
	}
	var rest []*record
	for _, r := range records {
		if r.State == complete && r.settles() && r.Boot == c.boot && !settled[r.Staging] && c.now().Sub(r.Created) > settleDelay && !c.settled(r) {
			rest = append(rest, r)
		}
	}
	return c.settleNow(s.ctx, rest)
}
