package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon/workspace"
)

// idWidth is how many columns a target's or a workflow's id takes in a table:
// enough to know it by. All of it is in --wide and --json.
const idWidth = 24

func (a *app) cacheList() *cobra.Command {
	var wide bool
	cmd := a.onCacheCommand("ls", "List what is in the cache", "  cordon cache ls --data ~/.cache/cordon\n  cordon cache ls --wide", exactly(), nil,
		func(_ context.Context, c onCache) error {
			entries, err := c.Entries()
			if err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(entries)
			}
			stray, err := c.StrayPins()
			if err != nil {
				return err
			}
			for _, k := range stray {
				a.say("%s is pinned, and gone; 'cordon cache unpin %s' ends the pin, a sweep does some hours later", shortKey(k, keyDigits), shortKey(k, keyDigits))
			}
			if len(entries) == 0 {
				a.say("the cache at %s is empty", plain(c.Dir()))
				return nil
			}
			a.printTable(a.entryTable(entries, wide))
			return nil
		})
	cmd.Long = `Ls lists runs' own workspaces (run-…), shared trees (shared-…), the bases of copy-on-write workspaces
(base-…, aside-…) and what is in quarantine. The first column is what pin, explain and verify take.`
	cmd.Flags().BoolVarP(&wide, "wide", "w", false, "whole keys and ids, paths too")
	return cmd
}

func (a *app) entryTable(entries []workspace.Entry, wide bool) *table {
	head := []string{"ENTRY", "TARGET", "MODE", "DRIVER", "SIZE", "HELD BY", "AGE", "USED", "EXPIRES", "NOTE"}
	if wide {
		head = append(head, "RUN", "PATH")
	}
	t := newTable(head...)
	t.right[4] = true
	keys, now := shortKeys(entries), a.now()
	for _, e := range entries {
		key, target := keys[e.Key], brief(plain(e.Target.String()), idWidth)
		if wide {
			key, target = e.Key, plain(e.Target.String())
		}
		row := []string{
			key, target, modeOf(e), e.Driver, bytesOf(e.Bytes), holders(e.Holders, wide),
			age(e.Created, now), ago(e.LastUsed, now), expiry(e, now), a.notes(e),
		}
		if wide {
			row = append(row, plain(e.Run), plain(e.Path))
		}
		t.add(row...)
	}
	return t
}

// expiry renders when an entry goes if nobody asks for it any more.
func expiry(e workspace.Entry, now time.Time) string {
	if e.Kind == workspace.KindRun && len(e.Holders) == 0 && e.Pin == nil {
		return "next sweep"
	}
	return until(e.Expires, now)
}

// modeOf renders the mode of what runs get; a base is of all of them.
func modeOf(e workspace.Entry) string {
	switch e.Kind {
	case workspace.KindRun:
		return string(e.Mode)
	case workspace.KindShared:
		return "shared"
	}
	return "–"
}

// holders renders who holds an entry: its workflow, or its run where no Temporal
// knows it; the first of several, and how many more there are.
func holders(hs []workspace.Holder, wide bool) string {
	if len(hs) == 0 {
		return "nobody"
	}
	shown := hs[:1]
	if wide {
		shown = hs
	}
	var names []string
	for _, h := range shown {
		name := plain(holderName(h))
		if !wide {
			name = brief(name, idWidth)
		}
		if h.Live {
			name += " (live)"
		}
		names = append(names, name)
	}
	words := strings.Join(names, ", ")
	if more := len(hs) - len(shown); more > 0 {
		words += fmt.Sprintf(" +%d", more)
	}
	return words
}

// holderName names a holder by its workflow, or by its run.
func holderName(h workspace.Holder) string {
	if h.Owner.WorkflowID != "" {
		return h.Owner.WorkflowID
	}
	return h.Run
}

// notes renders what is unusual about an entry.
func (a *app) notes(e workspace.Entry) string {
	var notes []string
	if e.Pin != nil {
		notes = append(notes, a.paintOut(blue, "pinned"))
	}
	for _, h := range e.Holders {
		if h.Kept != "" {
			notes = append(notes, a.paintOut(yellow, "kept: "+plain(h.Kept)))
		}
	}
	if e.OverLimit {
		notes = append(notes, a.paintOut(red, "over its limit ("+bytesOf(e.Limit)+")"))
	}
	if e.Tampered != "" {
		notes = append(notes, a.paintOut(red, "tampered with"))
	}
	return strings.Join(notes, ", ")
}
