package main

import (
	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// What is to be reached.
const (
	maxReady       = 0.010              // seconds, at any size
	maxOverFetch   = 0.010              // seconds, for an isolated workspace beyond its fetch and extraction
	minTimesFaster = 300.0              // than cp -a, on the kernel tree
	maxDisk        = float64(cordon.MB) // bytes, before the first write
	maxCopy        = 0.7                // of the time of a cp -a that copies
	maxReflink     = 0.8                // of the time of one that shares blocks
	maxRemove      = 0.010              // seconds, until the removal returns
	maxReadShared  = 1.1                // of a plain tree's time
	maxReadOverlay = 1.35
)

// verdict says whether something was reached.
type verdict struct {
	Target  string  `json:"target"`
	Input   string  `json:"input"`
	FS      string  `json:"fs"`
	Row     string  `json:"row"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Reached bool    `json:"reached"`
	Why     string  `json:"why,omitempty"` // why there is no value

	show  func(float64) string
	least bool // the limit is the least that is to be reached, not the most
}

// verdicts judges what was measured in s. What a file system cannot do is left
// out; what Cordon could not, though the file system can, is not reached.
func (s *section) verdicts() (all []verdict) {
	judge := func(r *row, value float64, taken bool, v verdict) {
		if !taken && r.Unavailable == "" && r.Failed == "" {
			return // not asked for
		}
		if !taken && s.row(r.Peer).Unavailable != "" {
			return
		}
		v.Input, v.FS, v.Row, v.Value = s.Input, s.FS, r.Name, value
		v.Reached = taken && (value <= v.Limit && !v.least || value >= v.Limit && v.least)
		if !taken {
			v.Why = r.Failed + r.Unavailable
		}
		all = append(all, v)
	}
	reference := s.row(reference)

	for _, name := range []string{"cordon shared", "cordon overlay", "cordon snapshot", "cordon file"} {
		r := s.row(name)
		judge(r, r.Ready.Median, r.Ready.Taken(), verdict{Target: "ready", Limit: maxReady, show: lab.ShowTime})
		judge(r, r.Disk.Median, r.Disk.Taken(), verdict{Target: "disk before the first write", Limit: maxDisk, show: lab.ShowBytes})
		if s.Input == "kernel" {
			judge(r, lab.Ratio(reference.Ready.Median, r.Ready.Median), r.Ready.Taken() && reference.Ready.Taken(),
				verdict{Target: "times faster than cp -a", Limit: minTimesFaster, show: lab.ShowTimes, least: true})
		}
	}
	isolated := s.row("cordon isolated")
	over := beyond(isolated.Ready, s.row(isolated.Peer).Ready)
	judge(isolated, over.Median, over.Taken(), verdict{Target: "ready, beyond fetch and extraction", Limit: maxOverFetch, show: lab.ShowTime})
	for _, w := range []struct {
		name  string
		limit float64
	}{{"cordon copy", maxCopy}, {"cordon reflink", maxReflink}} {
		r := s.row(w.name)
		peer := s.row(r.Peer)
		judge(r, lab.Ratio(r.Ready.Median, peer.Ready.Median), r.Ready.Taken() && peer.Ready.Taken(),
			verdict{Target: "ready, to " + r.Peer, Limit: w.limit, show: lab.ShowTimes})
	}
	for _, r := range s.Rows {
		if isOurs(r.Name) {
			judge(r, r.Remove.Median, r.Remove.Taken(), verdict{Target: "removal returns", Limit: maxRemove, show: lab.ShowTime})
		}
	}
	for _, read := range []struct {
		name  string
		limit float64
	}{{"cordon shared", maxReadShared}, {"cordon overlay", maxReadOverlay}} {
		r := s.row(read.name)
		for _, how := range []struct {
			name string
			took reading
		}{{"grep -r", r.Grep}, {"tar", r.Tar}} {
			if how.took.Taken() && how.took.Ratio > 0 { // no ratio: interrupted before there was something to compare with
				judge(r, how.took.Ratio, true, verdict{Target: how.name + ", to a plain directory", Limit: read.limit, show: lab.ShowTimes})
			}
		}
	}
	return all
}

// beyond returns how much longer each sample of a took than that of b of the same
// round: what disturbed the machine then disturbed both.
func beyond(a, b lab.Spread) (d lab.Spread) {
	for i := range min(len(a.Samples), len(b.Samples)) {
		d.Add(a.Samples[i] - b.Samples[i])
	}
	return d
}
