package crash

import (
	"context"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// maxPerRun is how many different inputs of one bug are kept for one run: a bug that
// is easy to reach has no end of them, and one more says nothing new.
const maxPerRun = 20

// maxTallies bounds what a long-lived process remembers of runs that are over. What
// is forgotten is read again.
const maxTallies = 4096

type tallyKey struct{ lineage, signature, run string }

// tally is what a run has of one bug.
type tally struct {
	mu      sync.Mutex
	kept    map[string]int64 // sizes by SHA-256, of what the run came upon and the store has
	exempt  map[string]bool  // of these: minimised ones and other runs', which do not count, and stay
	seen    map[string]bool  // inputs that were not kept, as far as they are remembered
	crashes int64            // different inputs
	written int64            // crashes as the store has them
}

// runRecord is what is stored of a run and a bug.
type runRecord struct {
	Version  int       `json:"version"`
	Run      string    `json:"run_id"`
	LastSeen time.Time `json:"last_seen"`
	Crashes  int64     `json:"crashes"` // different inputs, at least: it is written at 1, 2, 4, 8 …
}

// maxSeen is how many inputs that were not kept a tally remembers, to count each once.
const maxSeen = 10_000

// tallyOf returns the tally of in's run, after an earlier process of that run as it is
// in the store.
func (s *Store) tallyOf(ctx context.Context, in Input) (*tally, error) {
	key := tallyKey{in.Lineage, in.Signature, in.Run}
	s.mu.Lock()
	t, ok := s.tallies[key]
	s.mu.Unlock()
	if ok {
		return t, nil
	}
	t = &tally{kept: map[string]int64{}, exempt: map[string]bool{}, seen: map[string]bool{}}
	_, inputs, runs, err := s.load(ctx, in.Lineage, in.Signature)
	if err != nil {
		return nil, err
	}
	for _, old := range inputs {
		if old.Run == in.Run {
			t.keep(old, old.Run)
		}
	}
	for _, r := range runs {
		if r.Run == in.Run {
			t.crashes, t.written = max(t.crashes, r.Crashes), r.Crashes
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.tallies[key]; ok {
		return other, nil
	}
	if len(s.tallies) >= maxTallies {
		clear(s.tallies)
	}
	s.tallies[key] = t
	return t, nil
}

// place reports whether in is kept, and the input that makes room for it, if one has to.
func (t *tally) place(in Input) (gives string, ok bool) {
	_, had := t.kept[in.SHA256]
	if had || in.MinimisedFrom != "" {
		return "", true
	}
	counted, largest := 0, ""
	for sha, size := range t.kept {
		if t.exempt[sha] {
			continue
		}
		counted++
		if largest == "" || size > t.kept[largest] || size == t.kept[largest] && sha > largest {
			largest = sha
		}
	}
	if counted < maxPerRun {
		return "", true
	}
	for sha, size := range t.kept {
		if size <= in.Size && !t.exempt[sha] {
			// It is not the smallest.
			if !t.seen[in.SHA256] {
				t.crashes++
				if len(t.seen) < maxSeen {
					t.seen[in.SHA256] = true
				}
			}
			return "", false
		}
	}
	return largest, true
}

// keep notes that in is in the store, as an input of the run that owner names.
func (t *tally) keep(in Input, owner string) {
	if _, had := t.kept[in.SHA256]; !had && !t.seen[in.SHA256] {
		t.crashes++
	}
	t.kept[in.SHA256] = in.Size
	if in.MinimisedFrom != "" || owner != in.Run {
		t.exempt[in.SHA256] = true
	}
}

// count writes how often the run came upon the bug, at each power of two.
func (s *Store) count(ctx context.Context, in Input, t *tally) error {
	if in.Run == "" || bits.Len64(uint64(t.crashes)) == bits.Len64(uint64(t.written)) {
		return nil
	}
	rec := runRecord{Version: recordVersion, Run: in.Run, LastSeen: in.LastSeen, Crashes: t.crashes}
	_, err := s.putJSON(ctx, keyOf(in.Lineage, in.Signature, runsDir, target.BlobName(in.Run)+recordExt), rec, false)
	if err == nil {
		t.written = t.crashes
	}
	return err
}

// load reads all that is stored of a bug. What is damaged is passed over; what is
// removed meanwhile, too.
func (s *Store) load(ctx context.Context, lineage, signature string) (first *Bug, inputs []Input, runs []runRecord, err error) {
	at := keyOf(lineage, signature)
	var keys []string
	have := map[string]bool{}
	for info, err := range s.blobs.ListBlobs(ctx, at) {
		if err != nil {
			return nil, nil, nil, err
		}
		keys = append(keys, info.Key)
		have[info.Key] = true
	}
	return s.read(ctx, at, keys, have)
}

func (s *Store) read(ctx context.Context, at string, keys []string, have map[string]bool) (first *Bug, inputs []Input, runs []runRecord, err error) {
	var mu sync.Mutex
	err = each(ctx, keys, func(ctx context.Context, key string) error {
		rest := strings.TrimPrefix(key, at+"/")
		var damaged bool
		var err error
		switch dir, name, _ := strings.Cut(rest, "/"); {
		case rest == bugFile:
			var b Bug
			if damaged, err = s.getJSON(ctx, key, &b); err == nil {
				if damaged, err = b.check(at); err == nil {
					mu.Lock()
					first = &b
					mu.Unlock()
				}
			}
		case dir == inputsDir && strings.HasSuffix(name, recordExt):
			if !have[strings.TrimSuffix(key, recordExt)] {
				return nil // being removed
			}
			var in Input
			if damaged, err = s.getJSON(ctx, key, &in); err == nil {
				if damaged, err = in.check(at, key); err == nil {
					mu.Lock()
					inputs = append(inputs, in)
					mu.Unlock()
				}
			}
		case dir == runsDir && strings.HasSuffix(name, recordExt):
			var r runRecord
			if damaged, err = s.getJSON(ctx, key, &r); err == nil {
				mu.Lock()
				runs = append(runs, r)
				mu.Unlock()
			}
		}
		switch {
		case damaged:
			s.passOver(ctx, key, err)
			return nil
		case cordon.KindOf(err) == cordon.TargetNotFound:
			return nil
		}
		return err
	})
	return first, inputs, runs, err
}
