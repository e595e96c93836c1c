package main

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/cordonlabs/cordon/internal/placement"
)

// world is what is simulated. Runs come at random times, want a target by its popularity,
// and take a slot of a host for a random time. A host keeps the targets that were used
// last.
type world struct {
	hosts, targets, slots, cached, runs int
	seed                                uint64
}

// policy chooses the host of a run that wants a target, one that has a free slot, and says
// which of its choices that is.
type policy func(s *state, target int) (host, choice int)

// result counts runs.
type result struct {
	runs, hit int
	choices   [3]int
}

func (r result) hits() float64            { return float64(r.hit) / float64(r.runs) }
func (r result) share(choice int) float64 { return float64(r.choices[choice]) / float64(r.runs) }

// state is the world at one time.
type state struct {
	world
	random *rand.Rand
	free   []int          // slots, by host
	cache  []map[int]int  // by host: target → when it was used last
	has    []map[int]bool // by target: the hosts that have it
	ranks  map[int][]int  // by target, once somebody wants it
	names  []string
	index  map[string]int
	leaves departures
	clock  int
}

type departure struct {
	at   float64
	host int
}

type departures []departure

func (d departures) Len() int           { return len(d) }
func (d departures) Less(i, j int) bool { return d[i].at < d[j].at }
func (d departures) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *departures) Push(x any)        { *d = append(*d, x.(departure)) }
func (d *departures) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

// run lets runs come until enough are counted: the popularity of targets is Zipf's with
// the exponent s, and load is the share of slots that is taken, on average.
func (w world) run(s, load float64, choose policy) result {
	st := &state{world: w, random: rand.New(rand.NewPCG(w.seed, 0)), free: make([]int, w.hosts), cache: make([]map[int]int, w.hosts),
		has: make([]map[int]bool, w.targets), ranks: map[int][]int{}, index: map[string]int{}}
	for i := range w.hosts {
		st.free[i], st.cache[i] = w.slots, map[int]int{}
		st.names = append(st.names, fmt.Sprintf("host-%d", i))
		st.index[st.names[i]] = i
	}
	upTo := make([]float64, w.targets) // of all wishes, those for this target and the ones before it
	sum := 0.0
	for i := range upTo {
		st.has[i] = map[int]bool{}
		sum += math.Pow(float64(i+1), -s)
		upTo[i] = sum
	}
	between := 1 / (load * float64(w.hosts*w.slots)) // of a run's length, which is 1 on average
	var r result
	now := 0.0
	for n := range w.runs + w.runs/2 {
		now += st.random.ExpFloat64() * between
		for len(st.leaves) > 0 && st.leaves[0].at <= now {
			st.free[heap.Pop(&st.leaves).(departure).host]++
		}
		target := min(sort.SearchFloat64s(upTo, st.random.Float64()*sum), w.targets-1)
		host, choice := choose(st, target)
		if host < 0 {
			continue // every slot is taken
		}
		hit := st.take(host, target)
		heap.Push(&st.leaves, departure{now + st.random.ExpFloat64(), host})
		if n >= w.runs/2 {
			r.runs++
			r.choices[choice]++
			if hit {
				r.hit++
			}
		}
	}
	return r
}

// take puts a run on a host, and reports whether the target is there already.
func (s *state) take(host, target int) (hit bool) {
	s.free[host]--
	s.clock++
	cache := s.cache[host]
	_, hit = cache[target]
	if !hit && len(cache) >= s.cached {
		oldest := -1
		for t, used := range cache {
			if oldest < 0 || used < cache[oldest] {
				oldest = t
			}
		}
		delete(cache, oldest)
		delete(s.has[oldest], host)
	}
	cache[target] = s.clock
	s.has[target][host] = true
	return hit
}

// anyHost is what a task queue does: whoever has a free slot may be first.
func anyHost(s *state, _ int) (host, choice int) {
	for range 100 * s.hosts {
		if h := s.random.IntN(s.hosts); s.free[h] > 0 {
			return h, 2
		}
	}
	return -1, 2
}

// ranked is what WithWorkspace does: the two hosts that choose_hosts names, if one has a
// free slot, then anybody.
func ranked(s *state, target int) (host, choice int) {
	ranks, ok := s.ranks[target]
	if !ok {
		for _, name := range placement.Rank(s.names, fmt.Sprintf("target-%d", target), 2) {
			ranks = append(ranks, s.index[name])
		}
		s.ranks[target] = ranks
	}
	if i := slices.IndexFunc(ranks, func(h int) bool { return s.free[h] > 0 }); i >= 0 {
		return ranks[i], i
	}
	return anyHost(s, target)
}

// whoHasIt knows at each moment which hosts have the target, and which are free: no way
// to choose finds it more often where it is.
func whoHasIt(s *state, target int) (host, choice int) {
	best := -1
	for h := range s.has[target] {
		if s.free[h] > 0 && (best < 0 || h < best) {
			best = h
		}
	}
	if best >= 0 {
		return best, 0
	}
	return anyHost(s, target)
}
