package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) cacheExplain() *cobra.Command {
	cmd := a.onCacheCommand("explain KEY", "Say why an entry is kept, or would go", "  cordon cache explain base-1f3a5c7e\n  cordon cache explain fuzzer-7 --json | jq .verdict", exactly("KEY"), nil,
		func(ctx context.Context, c onCache) error {
			x, err := c.Explain(ctx, c.args[0])
			if err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(x)
			}
			a.printExplanation(x)
			return nil
		})
	cmd.Long = `Explain says what keeps an entry: its holders and what is known of their runs, a pin, its time to
live; and when it would make room for others. KEY is what 'cordon cache ls' lists, the beginning of it, a path,
or the id of a target that has one entry.`
	addTemporal(cmd.Flags(), &a.temporal)
	return cmd
}

func (a *app) printExplanation(x workspace.Explanation) {
	e, now := x.Entry, a.now()
	mark := a.paintOut(green, "●")
	if !x.Stays {
		mark = a.paintOut(yellow, "○")
	}
	a.print("%s %s", mark, plain(x.Verdict))
	line := func(what, format string, args ...any) {
		a.print("  %s %s", a.paintOut(dim, fmt.Sprintf("%-9s", what)), fmt.Sprintf(format, args...))
	}
	line("entry", "%s (%s of %s)", e.Key, e.Kind, plain(e.Target.String()))
	line("path", "%s", plain(e.Path))
	size := bytesOf(e.Bytes)
	if e.Object > 0 {
		size += fmt.Sprintf(", %s of it the kept object", bytesOf(e.Object))
	}
	line("size", "%s, %s", size, count(int(e.Inodes), "inode", "inodes"))
	line("used", "%s, made %s", ago(e.LastUsed, now), ago(e.Created, now))
	if e.Pin != nil {
		words := fmt.Sprintf("by %s, %s", plain(e.Pin.By), ago(e.Pin.Since, now))
		if e.Pin.Reason != "" {
			words += ": " + plain(e.Pin.Reason)
		}
		line("pinned", "%s", words)
	}
	if e.OverLimit {
		line("growth", "over its limit of %s", bytesOf(e.Limit))
	}
	if e.Tampered != "" {
		line("tampered", "%s", plain(e.Tampered))
	}
	if len(x.Holders) == 0 {
		line("held", "by nobody")
	}
	for _, h := range x.Holders {
		line("held", "%s", holderWords(h, now))
	}
	if x.TTL > 0 && x.TTLLeft > 0 {
		line("ttl", "%s of %s left, if nobody uses it", short(time.Duration(x.TTLLeft)*time.Second), short(time.Duration(x.TTL)*time.Second))
	}
	line("eviction", "%s", x.Eviction)
	u := x.Limits
	limit := fmt.Sprintf("the cache has %s of %s", bytesOf(u.Recorded), bytesOf(u.MaxSize))
	if u.Reserved > 0 {
		limit += fmt.Sprintf(" and reserved %s", bytesOf(u.Reserved))
	}
	limit += fmt.Sprintf("; %s are held, %s pinned, %s reclaimable; of the disk %s are free, %s stay free",
		bytesOf(u.Held), bytesOf(u.Pinned), bytesOf(u.Reclaimable), bytesOf(u.DiskFree), bytesOf(u.MinFree))
	line("limit", "%s", limit)
}

// holderWords renders a holder, and why its hold counts.
func holderWords(h workspace.HolderState, now time.Time) string {
	var b strings.Builder
	if id := h.Owner.WorkflowID; id != "" {
		fmt.Fprintf(&b, "by workflow %s, ", plain(id))
	} else {
		b.WriteString("by ")
	}
	fmt.Fprintf(&b, "run %s, since %s", plain(h.Run), ago(h.Since, now))
	if h.For != "" {
		fmt.Fprintf(&b, ", for %s", shortKey(h.For, keyDigits))
	}
	fmt.Fprintf(&b, ": %s", plain(h.State))
	if !h.Expires.IsZero() && !h.Ended && !h.Live {
		fmt.Fprintf(&b, "; expires %s", until(h.Expires, now))
	}
	return b.String()
}
