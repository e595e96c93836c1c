package workspace

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// inTrash adds up what the names in the trash say is being deleted, but for stuck.
func (c *Cache) inTrash(stuck map[string]error) (sum amount, err error) {
	names, err := c.list(trashDir)
	if err != nil {
		return amount{}, err
	}
	for _, n := range names {
		if stuck[n] == nil {
			sum = sum.plus(trashSize(n))
		}
	}
	return sum, nil
}

// trashSize reads the size of something in the trash off its name; see trashSized.
// What was put there without one, or by an older program, counts as nothing.
func trashSize(name string) (size amount) {
	_, rest, _ := strings.Cut(name, ".")
	bytes, inodes, _ := strings.Cut(rest, ".")
	size.bytes, _ = strconv.ParseInt(bytes, 10, 64)
	size.inodes, _ = strconv.ParseInt(inodes, 10, 64)
	return size
}

// emptyTrash deletes what is in the trash, with bounded workers, whoever put it
// there and died, or is slower. It returns what cannot be deleted now.
func (c *Cache) emptyTrash(ctx context.Context) (stuck map[string]error, err error) {
	names, err := c.list(trashDir)
	if err != nil {
		return nil, err
	}
	stuck = map[string]error{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, deleters)
	for _, n := range names {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := c.delete(ctx, n); err != nil {
				mu.Lock()
				defer mu.Unlock()
				stuck[n] = err
			}
		})
	}
	wg.Wait()
	return stuck, nil
}

// freeTrash empties the trash for somebody who waits for the disk, and adds to
// stuck what cannot be deleted. It waits for what others in this process are in the
// middle of deleting.
func (c *Cache) freeTrash(ctx context.Context, stuck map[string]error) {
	more, err := c.emptyTrash(ctx)
	if err != nil {
		return // whoever waits finds no more room than before, and says so
	}
	maps.Copy(stuck, more)
	c.underDeletion.wait(ctx)
	c.syncDisk() // some file systems count what was deleted only with their next transaction
}

// syncDisk has the disk's free space show what was written and deleted until now, also
// where that is shown late. Only this effect matters: what has to last is synced by
// who wrote it.
func (c *Cache) syncDisk() {
	if d, err := c.root().Open("."); err == nil {
		_ = unix.Syncfs(int(d.Fd()))
		d.Close()
	}
}
