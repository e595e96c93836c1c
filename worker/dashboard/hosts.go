package dashboard

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/pollers"
)

// Hosts is who polls the worker's queues, and this host.
type Hosts struct {
	Host      string        `json:"host"` // the cache's id
	Machine   string        `json:"machine"`
	Version   string        `json:"version"`
	Cache     string        `json:"cache"`
	Driver    string        `json:"driver"` // of copy-on-write workspaces
	DriverWhy string        `json:"driver_why,omitempty"`
	Isolation string        `json:"isolation,omitempty"`
	Started   time.Time     `json:"started"` // this worker
	Queues    []QueueOfHost `json:"queues"`
	Problems  []string      `json:"problems,omitempty"`
}

// QueueOfHost is a task queue, and who polls it.
type QueueOfHost struct {
	Name    string   `json:"name"`
	Own     bool     `json:"own"` // of this host alone
	Pollers []Poller `json:"pollers"`
}

// Poller is a worker.
type Poller struct {
	Identity   string    `json:"identity"`
	Cordon     bool      `json:"cordon"` // it is one of Cordon's
	Version    string    `json:"version,omitempty"`
	Serve      string    `json:"serve,omitempty"`
	Process    string    `json:"process,omitempty"` // pid@machine
	Activities bool      `json:"activities"`
	Workflows  bool      `json:"workflows"`
	LastSeen   time.Time `json:"last_seen"`
	Here       bool      `json:"here"` // it is this one
	Quiet      bool      `json:"quiet"`
	Problem    string    `json:"problem,omitempty"` // it does not belong there
	Fix        string    `json:"fix,omitempty"`
}

// hosts is what the memo keeps.
type hosts struct {
	queues  []QueueOfHost
	workers int // different ones
}

func (d *Dashboard) hostsPage(ctx context.Context) (any, error) {
	p := Hosts{Host: d.opts.Cache.HostID(), Machine: d.machine, Version: d.opts.Version, Cache: d.opts.Cache.Dir(), Isolation: d.opts.Isolation,
		Started: d.started, Queues: []QueueOfHost{}}
	if choice, err := d.opts.Cache.CowDriver(); err != nil {
		p.DriverWhy = err.Error()
	} else {
		p.Driver = choice.Name
		if choice.Why != nil {
			p.DriverWhy = choice.Why.Error()
		}
	}
	h, err := d.hosts.get(ctx)
	if err != nil {
		p.Problems = append(p.Problems, problem("Temporal does not say who polls", err))
	}
	p.Queues = append(p.Queues, h.queues...)
	return p, nil
}

// loadHosts asks who polls the worker's queues.
func (d *Dashboard) loadHosts(ctx context.Context) (hosts, error) {
	c := d.temporal()
	if c == nil {
		return hosts{}, errors.New("it is not reached")
	}
	var h hosts
	processes := map[string]bool{}
	look := func(q Queue, own bool) error {
		list, err := pollers.List(ctx, c, d.opts.Namespace, q.Name)
		if err != nil {
			return err
		}
		conflicts := map[string]pollers.Conflict{}
		for _, c := range pollers.Conflicts(q.Name, q.Identity, list) {
			conflicts[c.Identity] = c
		}
		out := QueueOfHost{Name: q.Name, Own: own, Pollers: []Poller{}}
		for _, p := range list {
			id, ok := pollers.Parse(p.Identity)
			row := Poller{Identity: p.Identity, Cordon: ok, Version: id.Version, Serve: string(id.Serve), Process: id.Process, Activities: p.Activities, Workflows: p.Workflows,
				LastSeen: p.LastSeen, Here: ok && id.Process == q.Identity.Process, Quiet: d.now().Sub(p.LastSeen) > pollers.Fresh}
			if c, wrong := conflicts[p.Identity]; wrong && !row.Quiet {
				row.Problem, row.Fix = c.Found, c.Fix
			}
			out.Pollers = append(out.Pollers, row)
			if !row.Quiet {
				processes[cmp.Or(id.Process, p.Identity)] = true
			}
		}
		h.queues = append(h.queues, out)
		return nil
	}
	for _, q := range d.opts.Queues {
		if err := look(q, false); err != nil {
			return hosts{}, err
		}
		own := Queue{activities.HostQueue(q.Name, d.opts.Cache.HostID()), q.Identity}
		own.Identity.Workflows = pollers.None
		if err := look(own, true); err != nil {
			return hosts{}, err
		}
	}
	h.workers = len(processes)
	return h, nil
}
