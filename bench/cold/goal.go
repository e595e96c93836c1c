package main

import (
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// What is to be reached. Times are ratios of medians.
const (
	maxDurable = 0.9  // of the same tar and a sync
	maxLimit   = 1.15 // of the slowest part alone

	maxMemory      = 128 * cordon.MB // above the idle process, with the decoder's window,
	maxMemoryInode = 300             // and this for each inode
)

// maxInMemory is what is to be reached on tmpfs, of the time of the same tar.
var maxInMemory = map[string]float64{"tar.gz": 0.60, "tar.zst": 0.80}

// verdict says whether something was reached.
type verdict struct {
	Goal    string  `json:"goal"`
	Input   string  `json:"input"`
	Place   string  `json:"place"`
	Store   string  `json:"store"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Reached bool    `json:"reached"`
	Why     string  `json:"why,omitempty"` // why there is no value

	show func(float64) string
}

// verdicts judges what was measured in s. Times are judged of the kernel's tree,
// memory of everything.
func (s *section) verdicts() (all []verdict) {
	add := func(v verdict, r *row, taken bool) {
		if broken := r.Failed + r.Unavailable; !taken && broken == "" {
			return // not asked for
		} else if !taken {
			v.Why = broken
		}
		v.Input, v.Place = s.Input, s.Place
		v.Reached = taken && v.Value <= v.Limit
		all = append(all, v)
	}
	against := func(goal string, limit float64, r *row, peers ...*row) {
		slowest, store := 0.0, r.Store
		for _, p := range peers {
			if !p.Done.Taken() {
				if r.Done.Taken() {
					r = p // it is the peer's fault that nothing can be said
				}
				continue
			}
			slowest = max(slowest, p.whole().Median)
		}
		add(verdict{Goal: goal, Store: store, Value: lab.Ratio(r.whole().Median, slowest), Limit: limit, show: lab.ShowTimes}, r, r.Done.Taken() && slowest > 0)
	}
	local, remote := s.row(dirStore, ours), s.row(minioStore, ours)
	decode, write, transfer := s.row("", decodeAlone), s.row("", writeAlone), s.row(minioStore, transferAlone)
	if limit, judged := maxInMemory[s.Format]; judged && s.Tree == "kernel" {
		hand := strings.Join(byHand[s.Format], " ")
		if s.Place == memory {
			against("÷ "+hand, limit, local, s.row(dirStore, hand))
		} else {
			against("durable ÷ ("+hand+", sync)", maxDurable, local, s.row(dirStore, hand))
			against("durable ÷ max(decode, write and sync)", maxLimit, local, decode, write)
		}
	}
	if s.Tree == "kernel" {
		goal := "÷ max(transfer, decode, write)"
		if s.Place == disk {
			goal = "durable ÷ max(transfer, decode, write and sync)"
		}
		against(goal, maxLimit, remote, transfer, decode, write)
	}
	for _, r := range []*row{local, remote} {
		limit := float64(maxMemory + s.Window + maxMemoryInode*s.Inodes)
		above := r.above()
		add(verdict{Goal: "memory above idle", Store: r.Store, Value: above.Max, Limit: limit, show: lab.ShowBytes}, r, above.Taken())
	}
	return all
}
