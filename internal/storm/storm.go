package storm

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// Config says how hard it blows.
type Config struct {
	Seed     uint64
	Procs    int           // processes at once
	Lanes    int           // things done at once
	Round    int           // it ends after so many kills
	Life     time.Duration // how long a process lives, in the middle
	Patience time.Duration // how long an operation may take
	Report   func(string)  // of failures
}

// Season is a cache of its own.
type Season struct {
	Name    string
	Dir     string // empty, on the file system that is wanted
	MaxSize int64
	TTL     time.Duration
	Drivers []string      // that processes have set
	Shares  bool          // its file system lets files share blocks
	Grace   time.Duration // runs are over when somebody says so, and this has passed; 0: nobody says
	Raids   bool          // somebody removes parts of the cache by hand
	Rounds  int
}

// Seasons are what a storm is made of. fs is the kind of file system that a season
// wants: "" is any.
func Seasons() (all []Season, fs []string) {
	const mb = 1 << 20
	mixed := append([]string{"auto"}, driver.Names...)
	all = []Season{
		{Name: "plain", MaxSize: 26 * mb, Drivers: mixed, Rounds: 3},
		{Name: "narrow", MaxSize: 14 * mb, Drivers: mixed, Rounds: 2},
		{Name: "brief", MaxSize: 22 * mb, Drivers: mixed, TTL: 5 * time.Second, Rounds: 2},
		{Name: "orphans", MaxSize: 22 * mb, Drivers: mixed, Grace: time.Second, Rounds: 2},
		{Name: "btrfs", Shares: true, MaxSize: 16 * mb, Drivers: []string{"auto", "snapshot!", "reflink", "overlay", "copy"}, Rounds: 2},
		{Name: "raided", MaxSize: 22 * mb, Drivers: mixed, Raids: true, Rounds: 1},
		{Name: "xfs", Shares: true, MaxSize: 16 * mb, Drivers: []string{"reflink", "overlay", "copy"}, Rounds: 2},
	}
	return all, []string{"", "", "", "", "btrfs", "", "xfs"}
}

// Storm is a storm and what is known of it.
type Storm struct {
	Config
	sum sum
}

// New makes a storm.
func New(cfg Config) *Storm { return &Storm{Config: cfg} }

// Kills returns how many processes were killed so far.
func (s *Storm) Kills() int { return int(s.sum.kills.Load()) }

func (s *Storm) String() string { return s.sum.String() }

// Drivers says which copy-on-write drivers work in a cache in dir, and why not
// those that would be better.
func Drivers(dir string) string {
	c, err := workspace.Open(workspace.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	choice, err := c.CowDriver()
	said := strings.Join(choice.Usable, ", ")
	for _, why := range []error{choice.Why, err} {
		if why != nil {
			said += "; " + why.Error()
		}
	}
	return said
}

// season is a season under way.
type season struct {
	*Storm
	Season
	cache, precious string
	runs            runsDir
	shelf           *shelf
	slots           []*slot
	lanes           []*lane
	history         history

	stop     context.CancelFunc // the storm is over
	killed   atomic.Int64       // in this round
	freezing sync.RWMutex       // nothing starts while it is held
	growth   atomic.Int64       // what runs have written, at most
	raids    atomic.Int64       // odd while somebody removes things
	raiding  sync.Mutex
	keeping  sync.WaitGroup

	eventsSeen int64 // bytes of events.jsonl
	said       tail  // what the cache logged in this process since the last round, and what sweeps did

	failMu   sync.Mutex
	failures int
}

// foreign is a directory in the cache directory that is not the cache's.
const foreign = "corpus"

// Season runs one season, until it is over or ctx is done, and reports whether all
// was well. number makes its random choices its own.
func (s *Storm) Season(ctx context.Context, sn Season, number uint64) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &season{Storm: s, Season: sn, cache: filepath.Join(sn.Dir, "cache"), precious: filepath.Join(sn.Dir, "precious"), runs: runsDir(filepath.Join(sn.Dir, "runs")), stop: stop}
	if err := w.prepare(number); err != nil {
		w.fail(about{}, "prepare: %v", err)
		return false
	}
	for i := range sn.Rounds {
		w.round(ctx, rand.New(rand.NewPCG(s.Seed, number<<32|uint64(i))))
		w.quiet()
		if w.failed() || ctx.Err() != nil {
			break
		}
	}
	if !w.failed() {
		w.clearUp()
	}
	return !w.failed()
}

func (w *season) failed() bool {
	w.failMu.Lock()
	defer w.failMu.Unlock()
	return w.failures > 0
}

func (w *season) report(text string) { w.Report(text) }

func (w *season) prepare(number uint64) (err error) {
	if w.shelf, err = newShelf(filepath.Join(w.Dir, "store")); err != nil {
		return err
	}
	for _, d := range []string{w.precious, filepath.Join(w.cache, foreign), string(w.runs)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d, "file"), []byte(foreign), 0o644); err != nil {
			return err
		}
	}
	for i := range w.Procs {
		w.slots = append(w.slots, newSlot(w, rand.New(rand.NewPCG(w.Seed, number<<32|1<<16|uint64(i)))))
	}
	for i := range w.Lanes {
		w.lanes = append(w.lanes, &lane{w: w, n: i, rnd: rand.New(rand.NewPCG(w.Seed, number<<32|2<<16|uint64(i)))})
	}
	return nil
}

// settings are another process's, by chance.
func (w *season) settings(rnd *rand.Rand) settings {
	set := settings{Cache: w.cache, Store: w.shelf.root, MaxSize: w.MaxSize, TTL: w.TTL, Driver: w.Drivers[rnd.IntN(len(w.Drivers))]}
	if w.Grace > 0 {
		set.Runs, set.Grace = string(w.runs), w.Grace
	}
	if rnd.IntN(4) == 0 {
		set.FetchLimit = 1 << (19 + rnd.IntN(4)) // bytes per second: the large target takes seconds
	}
	return set
}

// round lets it blow until so many processes were killed, and ends every process.
func (w *season) round(ctx context.Context, rnd *rand.Rand) {
	w.sum.rounds.Add(1)
	w.killed.Store(0)
	round, over := context.WithCancel(ctx)
	defer over()
	var slots, lanes sync.WaitGroup
	for _, s := range w.slots {
		slots.Go(func() { s.live(round) })
	}
	for _, l := range w.lanes {
		lanes.Go(func() { l.live(round) })
	}
	lanes.Go(func() { w.measure(round, rnd) })
	for w.killed.Load() < int64(w.Round) && round.Err() == nil {
		time.Sleep(20 * time.Millisecond)
		if w.Raids && rnd.IntN(50) == 0 {
			w.raid(rnd)
		}
	}
	over()
	slots.Wait()
	lanes.Wait()
	w.keeping.Wait()
	for _, s := range w.slots {
		slots.Go(s.clear)
	}
	slots.Wait()
}

// dump says what every lane waits for.
func (w *season) dump() {
	w.report(fmt.Sprintf("after %v without an answer; so far: %s", w.Patience, w.sum.String()))
}
