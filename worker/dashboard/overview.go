package dashboard

import (
	"context"
	"fmt"
	"slices"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/people"
	"github.com/cordonlabs/cordon/workspace"
)

// Overview is the first page: how the host is.
type Overview struct {
	Usage    workspace.Usage   `json:"usage"`
	Disk     Bar               `json:"disk"`  // all of the disk
	Cache    Bar               `json:"cache"` // what the cache may have of it
	Warnings []Warning         `json:"warnings"`
	Runs     *int              `json:"open_runs"`   // of this worker's queues; null where Temporal does not say
	Fuzzers  *int              `json:"fuzzers"`     // campaigns under way; likewise
	Workers  *int              `json:"workers"`     // that poll the queues; likewise
	Events   []workspace.Event `json:"last_events"` // the latest first
}

// Warning is something that an operator should know.
type Warning struct {
	Bad  bool   `json:"bad"` // work fails, or is about to
	Text string `json:"text"`
	Fix  string `json:"fix"`
}

// lastEvents is how many events the overview has.
const lastEvents = 12

func (d *Dashboard) overview(ctx context.Context) (any, error) {
	usage, err := d.usage.get(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := d.entries.get(ctx)
	if err != nil {
		return nil, err
	}
	o := Overview{Usage: usage, Warnings: warnings(usage, entries), Events: []workspace.Event{}}
	o.Disk, o.Cache = bars(usage, entries)
	if events, err := d.journal.get(ctx); err == nil { // what happened is worth no page of errors
		o.Events = append(o.Events, events[max(len(events)-lastEvents, 0):]...)
		slices.Reverse(o.Events)
	}
	if d.temporal() == nil {
		return o, nil
	}
	temporal := func(err error) {
		if !slices.ContainsFunc(o.Warnings, func(w Warning) bool { return w.Fix == fixTemporal }) {
			o.Warnings = append(o.Warnings, Warning{Bad: true, Text: problem("Temporal does not answer", err), Fix: fixTemporal})
		}
	}
	if open, err := d.open.get(ctx); err != nil {
		temporal(err)
	} else {
		n := len(open)
		o.Runs = &n
	}
	if c, err := d.campaigns.get(ctx); err == nil { // it asks what open asks, and more
		n := len(c.list)
		o.Fuzzers = &n
	}
	h, err := d.hosts.get(ctx)
	if err != nil {
		temporal(err)
		return o, nil
	}
	n := h.workers
	o.Workers = &n
	for _, q := range h.queues {
		for _, p := range q.Pollers {
			if p.Problem != "" {
				o.Warnings = append(o.Warnings, Warning{Text: p.Problem, Fix: p.Fix})
			}
		}
	}
	return o, nil
}

const fixTemporal = "see whether it runs and is reached (cordon doctor); runs go on, and their workspaces stay meanwhile"

// nearly is the share of a limit from which on it is warned of, in per cent.
const nearly = 90

// warnings says what is wrong with the cache, or soon will be.
func warnings(u workspace.Usage, entries []workspace.Entry) []Warning {
	list := []Warning{}
	add := func(bad bool, fix, format string, args ...any) {
		list = append(list, Warning{Bad: bad, Text: fmt.Sprintf(format, args...), Fix: fix})
	}
	if short := u.MinFree - u.DiskFree - u.TrashBytes; short > 0 {
		add(true, "free something on this disk, or lower CACHE_MIN_FREE",
			"The disk has %s less free than is to stay free (%s): new targets get no room.", cordon.FormatBytes(short), cordon.FormatBytes(u.MinFree))
	}
	if used := u.Recorded + u.Reserved; u.MaxSize > 0 && used-u.Reclaimable > u.MaxSize/100*nearly {
		add(used-u.Reclaimable >= u.MaxSize, "raise CACHE_MAX_SIZE, unpin what need not stay, or let fewer runs work here at once",
			"%s of the cache's %s cannot be evicted: runs hold it, or it is pinned.", cordon.FormatBytes(used-u.Reclaimable), cordon.FormatBytes(u.MaxSize))
	}
	if u.InodesTotal > 0 && u.InodesFree < u.MinFreeInodes {
		add(true, "remove directories with many small files from this disk",
			"The disk has %s inodes free, and %s are to stay free.", people.Thousands(int(u.InodesFree)), people.Thousands(int(u.MinFreeInodes)))
	}
	if u.Tampered > 0 {
		add(true, "look at them (Entries, kind quarantine), and at who may write to the cache",
			"%s tampered with.", people.Count(int(u.Tampered), "entry was", "entries were"))
	}
	over := 0
	for _, e := range entries {
		if e.OverLimit {
			over++
		}
	}
	if over > 0 {
		add(false, "see which (Entries, state over limit); workspace_max_size or CACHE_WORKSPACE_MAX sets the limit",
			"%s over the limit.", people.Count(over, "workspace is", "workspaces are"))
	}
	if n := len(u.StrayPins); n > 0 {
		add(false, "unpin what is gone: 'cordon cache ls' names it", "%s on what is gone.", people.Count(n, "pin is", "pins are"))
	}
	return list
}
