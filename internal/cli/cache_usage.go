package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheDiskUsage() *cobra.Command {
	cmd := a.onCacheCommand("du", "Compare what the cache recorded with what is on disk", "  cordon cache du\n  cordon cache du --json", exactly(), nil,
		func(ctx context.Context, c onCache) error {
			usage, err := c.Usage()
			if err != nil {
				return err
			}
			if usage.OnDisk, err = c.DiskUsage(ctx); err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(usage)
			}
			a.printTable(usageTable(usage))
			return nil
		})
	cmd.Long = `Du adds up what the records say and what is on the disk. Reclaimable is what an eviction could free now: what
nobody holds or has pinned, whole, and of what runs hold the objects kept beside shared trees and bases, which can do
without them. It leaves out what waits in the trash.`
	return cmd
}

func usageTable(u workspace.Usage) *table {
	t := newTable("WHAT", "SIZE", "")
	t.right[1] = true
	for _, kind := range []workspace.Kind{workspace.KindRun, workspace.KindShared, workspace.KindBase, workspace.KindQuarantine} {
		t.add(string(kind), bytesOf(u.ByKind[kind]), count(u.Entries[kind], "entry", "entries"))
	}
	t.add("recorded", bytesOf(u.Recorded), fmt.Sprintf("of at most %s (CACHE_MAX_SIZE); %s inodes", bytesOf(u.MaxSize), thousands(int(u.RecordedInodes))))
	t.add("  held", bytesOf(u.Held), "by runs")
	t.add("  pinned", bytesOf(u.Pinned), "stays, held or not")
	if n := len(u.StrayPins); n > 0 {
		t.add("  stray pins", "–", count(n, "pin", "pins")+" on what is gone: 'cordon cache ls' names them")
	}
	t.add("  reclaimable", bytesOf(u.Reclaimable), "by an eviction")
	t.add("reserved", bytesOf(u.Reserved), "promised to work under way")
	t.add("trash", bytesOf(u.TrashBytes), count(u.Trash, "thing is", "things are")+" being deleted")
	t.add("on disk", bytesOf(u.OnDisk), "as du -s counts")
	t.add("unexplained", bytesOf(u.OnDisk-u.Recorded-u.TrashBytes), "the cache's own files, work under way, growth by runs")
	t.add("disk free", bytesOf(u.DiskFree), fmt.Sprintf("of %s; %s stay free (CACHE_MIN_FREE)", bytesOf(u.DiskTotal), bytesOf(u.MinFree)))
	if u.InodesTotal > 0 {
		t.add("inodes free", thousands(int(u.InodesFree)), fmt.Sprintf("of %s; %s stay free", thousands(int(u.InodesTotal)), thousands(int(u.MinFreeInodes))))
	} else {
		t.add("inodes free", "–", "the file system makes them as it needs them")
	}
	return t
}
