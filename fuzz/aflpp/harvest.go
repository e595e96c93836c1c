package aflpp

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// instance is one afl-fuzz.
type instance struct {
	name    string // of its directory
	output  *output
	handled map[string]bool // files that were looked at
	waiting map[string]bool // files that are to be looked at the next time

	exit fuzz.Exit // once it has ended
	err  error
}

// harvest looks at what the instances have written. AFL writes a file after it has made
// it; so a file is read when it is seen for the second time, or at the end.
func (s *session) harvest(ctx context.Context, last bool) {
	var sum fuzz.Stats
	for _, i := range s.instances {
		dir, err := scratch.Open(s.workspace, filepath.Join(s.sync.Path, i.name))
		if err != nil {
			continue // it has not begun yet
		}
		st := readStats(dir, time.Since(s.began))
		dir.Close()
		sum.Executions += st.Executions
		sum.PerSecond += st.PerSecond
		sum.MemoryMB += st.MemoryMB
		sum.Coverage = max(sum.Coverage, st.Coverage)

		s.each(i, "queue", last, func(name string, data []byte) bool {
			if hash := digest(data); !s.have[hash] && len(data) > 0 {
				if s.corpus.Write(hash, data) != nil {
					return false // perhaps there is room later
				}
				s.have[hash] = true
				s.stats.Corpus++
				s.stats.LastNew = time.Now()
			}
			return true
		})
		atOnce := atOnce
		for _, crashed := range []struct {
			dir  string
			kind fuzz.FoundKind
		}{{"crashes", fuzz.FoundCrash}, {"hangs", fuzz.FoundTimeout}} {
			s.each(i, crashed.dir, last, func(name string, data []byte) bool {
				if atOnce--; atOnce < 0 && !last {
					return false
				}
				s.crash(ctx, crashed.kind, data)
				return true
			})
		}
		for _, seed := range i.output.crashed() {
			data, err := s.in.Read(seed.name, scratch.MaxInput)
			if err == nil && s.seeds[seed.name] == digest(data) {
				fresh := s.fresh
				s.crash(ctx, seed.kind, data)
				s.fresh = fresh // the session goes on without it
			}
		}
	}
	sum.Corpus, sum.LastNew, sum.Crashes = s.stats.Corpus, s.stats.LastNew, s.stats.Crashes
	sum.Executions = max(sum.Executions, s.stats.Executions)
	s.stats = sum
}

// each calls do for each file in a directory of an instance that is complete and was
// not handled before; one that do refuses comes again.
func (s *session) each(i *instance, dir string, last bool, do func(name string, data []byte) bool) {
	f, err := scratch.Open(s.workspace, filepath.Join(s.sync.Path, i.name, dir))
	if err != nil {
		return
	}
	defer f.Close()
	names, err := f.Names()
	if err != nil {
		return
	}
	for _, name := range names {
		key := dir + "/" + name
		switch {
		case i.handled[key]:
			continue
		case !strings.HasPrefix(name, "id:"), strings.Contains(name, ",sync:"), strings.Contains(name, ",orig:"):
			i.handled[key] = true // another instance's, or what was there before
			continue
		case !last && !i.waiting[key]:
			i.waiting[key] = true
			continue
		}
		data, err := f.Read(name, scratch.MaxInput)
		if err != nil || do(name, data) {
			i.handled[key] = true
			delete(i.waiting, key)
		}
	}
}

// crash looks into an input that crashed or hung, keeps it, and tells of it where its
// bug was not told of before.
func (s *session) crash(ctx context.Context, kind fuzz.FoundKind, data []byte) {
	hash := digest(data)
	if s.tried[hash] {
		return
	}
	s.tried[hash], s.seen = true, true
	if count := &s.crashes; kind == fuzz.FoundTimeout {
		count = &s.hangs
		if *count++; *count > maxHangs {
			return
		}
	} else if *count++; *count > maxCrashes {
		return
	}
	// It stands there before it is run again, lest it is lost when this process is. The name
	// is the one that tells its kind to who was not told.
	name := string(kind) + "-" + hash
	if err := s.artifacts.Write(name, data); err != nil {
		return
	}
	found := fuzz.Found{Kind: kind, File: filepath.Join(s.Artifacts, name)}
	limit := look
	if ctx.Err() != nil {
		ctx, limit = context.WithoutCancel(ctx), time.Second // there is little time for it
	}
	r, err := s.Reproduce(ctx, found.File, limit)
	if err == nil && r.Crashed {
		if kind != fuzz.FoundTimeout {
			found.Kind = r.Kind
		}
		found.Log = r.Log
	}
	if !s.news(found) {
		s.artifacts.RemoveAll(name)
		return
	}
	s.stats.Crashes++
	s.fresh = true
	if s.Found != nil {
		s.Found(found)
	}
}

// news reports whether nobody was told yet of the bug, and remembers it.
func (b *binary) news(f fuzz.Found) bool {
	sign := b.signature(fuzz.Reproduction{Kind: f.Kind, Log: f.Log})
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[sign] {
		return false
	}
	b.known[sign] = true
	return true
}
