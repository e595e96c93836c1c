package workspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/beneath"
	"github.com/cordonlabs/cordon/internal/flight"
	"github.com/cordonlabs/cordon/internal/fsinfo"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// Options say where the cache is and how much it may take.
type Options struct {
	// Dir is the cache directory (CACHE_DIR). It is made if it is missing. Any
	// number of processes of one host may use it at once.
	Dir string

	// Store is where targets come from. Without one, Get fails and everything
	// else works.
	Store target.Source

	MaxSize cordon.Size   // the ceiling of what the cache writes (CACHE_MAX_SIZE); zero: 10 GB
	TTL     time.Duration // how long an entry that nobody uses stays (CACHE_TTL); 0: no limit

	// MinFree is what the cache leaves free on its file system (CACHE_MIN_FREE);
	// zero: a twentieth, or 10 GB where that is less. Of the inodes it leaves the
	// same share, or a twentieth where MinFree is no share, but no more than 100,000.
	// FillDisk leaves nothing free.
	MinFree  cordon.Size
	FillDisk bool

	// WorkspaceMax is the most that one run's own workspace may take
	// (CACHE_WORKSPACE_MAX), if its Request does not say; zero: no limit.
	WorkspaceMax cordon.Size

	// Runs, if not nil, is asked whether runs are over. Without it, what runs hold
	// ends by Cleanup or expiry alone.
	Runs Runs

	// Salvage, if not nil, saves what runs found before their workspaces go, where
	// RequireSalvage asked for that. Without it such a workspace stays until a process
	// that has one sweeps.
	Salvage Salvage

	// Grace is how long what a run holds stays after the run is over (CACHE_GRACE);
	// 0: DefaultGrace, less: none.
	Grace time.Duration

	// ProcessBound says that the runs this process asks for end with it, as they do
	// under a Temporal server inside of it: their holds count as long as it lives,
	// and no longer.
	ProcessBound bool

	// FetchLimit is the most that this process downloads, in bytes per second and
	// on average (CACHE_FETCH_LIMIT); 0: no limit.
	FetchLimit int64

	// Observer, if not nil, is told what the cache does.
	Observer Observer

	// CowDriver says how copy-on-write workspaces are made (CACHE_COW_DRIVER).
	CowDriver driver.Setting

	Limits         archive.Limits   // of what an archive may make; zero fields: archive.DefaultLimits
	AllowNetworkFS bool             // accept a file system on which locks can hang
	Logger         *slog.Logger     // nil: slog.Default()
	Now            func() time.Time // nil: time.Now
}

// Cache hands out workspaces. It is safe for concurrent use, and beside other
// processes that have the same directory open.
type Cache struct {
	dir          string // as the user named it, absolute
	store        target.Source
	maxSize      cordon.Size
	minFree      cordon.Size
	workspaceMax cordon.Size
	ttl          time.Duration
	grace        time.Duration
	states       Runs    // or nil
	save         Salvage // or nil
	limits       archive.Limits
	log          *slog.Logger
	observer     Observer
	now          func() time.Time
	host         string
	boot         string
	drivers      drivers
	settler      settler

	throttle *rate.Limiter // of all downloads together, or nil

	recordCache recordCache
	seenHolds   seenHolds // of whoever has the lock of sweeps

	suspects  sync.Map    // staging id → what is wrong with the tree; see tamper.go
	unguarded atomic.Bool // this process may not mount
	network   bool
	bound     bool

	measureBudget time.Duration // of one sweep
	fillDisk      bool

	rooted atomic.Pointer[beneath.Dir]

	mu     sync.Mutex
	leases map[string]lease // by the hold's name
	shut   bool

	stopping context.Context // done once Close has begun
	stop     context.CancelCauseFunc
	runs     *flight.Group[Workspace] // by run
	contents *flight.Group[made]      // by target version and kind
	steps    stepBoard

	background    sync.WaitGroup // what nobody waits for but Close
	deletions     sync.WaitGroup
	underDeletion deletions
	leaving       sync.Map // name in the trash → record of a run's entry that this process removed
	deleting      chan struct{}
	stopDeleting  context.Context
	giveUp        context.CancelFunc
}

// linger is how long a fetch goes on whose callers' time is up (CONTRACT §1.6).
const linger = 10 * time.Minute

var errClosed = errors.New("the cache was closed")

// Open opens the cache in opts.Dir, making it if it is not there. The error is
// an InvalidArgument (not a directory, a network file system, a newer protocol),
// PermissionDenied or NoSpace *cordon.Error.
func Open(opts Options) (*Cache, error) {
	dir, err := cacheDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	root, err := openRoot(dir, opts.AllowNetworkFS)
	if err != nil {
		return nil, err
	}
	c := &Cache{
		dir: dir, store: opts.Store, maxSize: opts.MaxSize, minFree: opts.MinFree, workspaceMax: opts.WorkspaceMax, fillDisk: opts.FillDisk, ttl: opts.TTL, limits: opts.Limits,
		log: cmp.Or(opts.Logger, slog.Default()), now: opts.Now, network: opts.AllowNetworkFS, bound: opts.ProcessBound,
		leases: map[string]lease{}, deleting: make(chan struct{}, deleters),
	}
	c.drivers.setting = opts.CowDriver
	if c.observer = opts.Observer; c.observer == nil {
		c.observer = silent{}
	}
	c.measureBudget = measureBudget
	c.save = opts.Salvage
	c.states, c.grace = opts.Runs, max(cmp.Or(opts.Grace, DefaultGrace), 0)
	if opts.FetchLimit > 0 {
		c.throttle = newThrottle(opts.FetchLimit)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.rooted.Store(root)
	if c.host, err = readHostID(root); err == nil {
		c.boot, err = fsinfo.BootID()
	}
	if err != nil {
		root.Close()
		return nil, diskError("open cache", dir, err)
	}
	stopping, stop := context.WithCancelCause(context.Background())
	c.stopping, c.stop = stopping, stop
	c.runs = flight.New[Workspace](stopping, linger)
	c.contents = flight.New[made](stopping, linger)
	c.stopDeleting, c.giveUp = context.WithCancel(context.Background())
	return c, nil
}

// HostID returns the persistent name of the host that the cache in dir belongs to, for
// who has to know it before Open. It makes the cache if it is not there; its errors are
// Open's.
func HostID(dir string) (string, error) {
	dir, err := cacheDir(dir)
	if err != nil {
		return "", err
	}
	root, err := openRoot(dir, false)
	if err != nil {
		return "", err
	}
	defer root.Close()
	id, err := readHostID(root)
	return id, diskError("open cache", dir, err)
}

// cacheDir returns dir as an absolute path.
func cacheDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if dir == "" || err != nil {
		return "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "open cache",
			Err: fmt.Errorf("no directory was named"), Fix: "set CACHE_DIR"}
	}
	return abs, nil
}

// Dir returns the cache directory as an absolute path.
func (c *Cache) Dir() string { return c.dir }

// HostID returns the persistent name of the host that this cache belongs to.
func (c *Cache) HostID() string { return c.host }

// Close stops what is being fetched, waits a few seconds for deletions that are
// under way, and lets go of this process's locks. Durable holds stay: they end
// by Cleanup, or by what the sweep finds out. No other method may be called
// afterwards.
func (c *Cache) Close() error {
	c.mu.Lock()
	if c.shut {
		c.mu.Unlock()
		return nil
	}
	c.shut = true
	c.mu.Unlock()

	c.stop(errClosed)
	c.runs.Wait()
	c.contents.Wait()
	giveUp := time.AfterFunc(closePatience, c.giveUp)
	c.deletions.Wait()
	giveUp.Stop()
	c.giveUp()
	synced := make(chan struct{})
	go func() { c.background.Wait(); close(synced) }()
	select {
	case <-synced:
	case <-time.After(closePatience): // a disk that is busy; the kernel goes on by itself
	}

	c.mu.Lock()
	for _, l := range c.leases {
		_ = l.file.Close() // what was written to it is synced elsewhere
	}
	c.mu.Unlock()
	c.relaxAll()
	c.recordCache.close()
	return c.root().Close()
}

// realDir returns the cache directory's path with links resolved, as mountinfo(5)
// has it. Somebody may point a link elsewhere meanwhile.
func (c *Cache) realDir() string {
	if real, err := filepath.EvalSymlinks(c.dir); err == nil {
		return real
	}
	return c.dir
}

// root returns the open cache directory.
func (c *Cache) root() *beneath.Dir { return c.rooted.Load() }

// abs returns the absolute path of name, which is relative to the cache.
func (c *Cache) abs(name string) string { return filepath.Join(c.dir, name) }

// revive makes the cache usable again after somebody has emptied or removed its
// directory under a running worker (CONTRACT §6): that is a miss, not a crash.
func (c *Cache) revive() error {
	old := c.root()
	var have, want, last unix.Stat_t
	if err := old.Look(".", &have); err != nil {
		return diskError("open cache", c.dir, err)
	}
	if unix.Stat(c.dir, &want) == nil && have.Dev == want.Dev && have.Ino == want.Ino {
		if old.Look(trashDir, &last) == nil { // the last that is made of the layout
			return nil
		}
		return diskError("open cache", c.dir, makeLayout(old))
	}
	root, err := openRoot(c.dir, c.network)
	if err != nil {
		return err
	}
	// The old root is not closed: others may be in the middle of something. Its
	// one descriptor is the price of somebody removing the directory itself.
	c.rooted.Store(root)
	return nil
}

// rebuild makes what is missing of the cache's own directories, as after a removal
// by hand that somebody interrupted.
func (c *Cache) rebuild() error { return diskError("open cache", c.dir, makeLayout(c.root())) }

// lacking reports whether err says that something of the cache's own is gone,
// which somebody must have removed.
func lacking(err error) bool { return errors.Is(err, fs.ErrNotExist) && cordon.KindOf(err) == "" }
