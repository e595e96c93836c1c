package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// cordonCache is one cache directory, opened once for each driver.
type cordonCache struct {
	in   *input
	dir  string
	open []*workspace.Cache
}

// openCache opens the cache with driver setting, which may forbid falling back.
func (cc *cordonCache) openCache(setting string) (*workspace.Cache, error) {
	set, err := driver.ParseSetting(setting)
	if err != nil {
		return nil, err
	}
	c, err := workspace.Open(workspace.Options{
		Dir: cc.dir, Store: cc.in.store, CowDriver: set, Logger: slog.New(slog.DiscardHandler),
		// The file system is the limit: shared blocks are accounted for in each of a
		// hundred workspaces.
		MaxSize: cordon.BytesOf(1000 * cordon.TB),
	})
	if err != nil {
		return nil, err
	}
	cc.open = append(cc.open, c)
	return c, nil
}

func (cc *cordonCache) close() error {
	var all error
	for _, c := range cc.open {
		all = errors.Join(all, c.Close())
	}
	return all
}

// contestants returns the engine's modes and drivers, each warm: what it needs
// in the cache is there. The snapshot driver goes first, for it alone is
// particular about its base.
func (cc *cordonCache) contestants(ctx context.Context, wants func(name string) bool) (all []*contestant, err error) {
	ways := []struct {
		name, peer, driver string
		mode               cordon.Mode
		readOnly           bool
	}{
		{"cordon snapshot", "btrfs snapshot", "snapshot", cordon.CopyOnWrite, false},
		{"cordon overlay", "mount overlay", "overlay", cordon.CopyOnWrite, false},
		{"cordon reflink", reflinked, "reflink", cordon.CopyOnWrite, false},
		{"cordon copy", copied, "copy", cordon.CopyOnWrite, false},
		{"cordon file", reference, "", cordon.CopyOnWrite, false},
		{"cordon shared", "", "", cordon.Shared, true},
		{"cordon isolated", "fetch+extract", "", cordon.Isolated, false},
	}
	for _, w := range ways {
		// A target that is a file has no use for drivers of trees.
		if lone := cc.in.lone; lone && w.driver != "" || !lone && w.name == "cordon file" || !wants(w.name) {
			continue
		}
		setting := "auto"
		if w.driver != "" {
			setting = w.driver + "!"
		}
		cache, err := cc.openCache(setting)
		if err != nil {
			return nil, err
		}
		c := cc.contestant(cache, w.name, w.driver, w.mode)
		c.peer, c.readOnly, c.reads = w.peer, w.readOnly, w.mode != cordon.Isolated && w.driver != "copy"
		all = append(all, c)
		choice, err := cache.CowDriver()
		if p := driver.ByName(choice.Probed, w.driver); p != nil {
			err = p.Err // the cause alone, without what it means for the setting
		}
		if c.why = err; err != nil || w.mode == cordon.Isolated {
			continue
		}
		path, err := c.make(ctx, "first")
		if err == nil {
			err = c.remove(ctx, "first", path)
		}
		c.why = err
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return all, nil
}

func (cc *cordonCache) contestant(cache *workspace.Cache, name, by string, mode cordon.Mode) *contestant {
	return &contestant{
		name: name,
		make: func(ctx context.Context, id string) (string, error) {
			run, err := cordon.ParseRunID(id)
			if err != nil {
				return "", err
			}
			ws, err := cache.Get(ctx, workspace.Request{Target: cc.in.target, Run: run, Mode: mode})
			if err == nil && by != "" && ws.Driver != by {
				err = fmt.Errorf("the driver %s was required, and %q was used", by, ws.Driver)
			}
			return ws.Path, err
		},
		remove: func(ctx context.Context, id, path string) error {
			done, err := cache.Cleanup(ctx, path, workspace.Caller{Run: id})
			if err == nil && done.Outcome != workspace.Removed && done.Outcome != workspace.Released {
				err = fmt.Errorf("cleanup of %s: %s, %s", path, done.Outcome, done.Reason)
			}
			return err
		},
		pending: func() (bool, error) {
			left, err := os.ReadDir(filepath.Join(cc.dir, ".cordon", "trash"))
			return len(left) > 0, err
		},
	}
}
