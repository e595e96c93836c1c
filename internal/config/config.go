// Package config reads the environment of CONTRACT §4, once, at start. A value
// that cannot be read stops the program: what is misread quietly is noticed
// when the disk is full. Flags come after it and beat it (CONTRACT §8.9).
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

const (
	// DefaultCacheDir is where a worker's cache is (CONTRACT §4).
	DefaultCacheDir = "/cache"
	// DefaultTTL is how long an entry stays without being used (CONTRACT §4).
	DefaultTTL = 7 * 24 * time.Hour
	// DefaultGrace is how long what a run holds stays after its end (CONTRACT §4).
	DefaultGrace = workspace.DefaultGrace
	// DefaultSweepEvery is the interval of the periodic sweep (CONTRACT §4).
	DefaultSweepEvery = 30 * time.Minute
	// DefaultHostWait is how long runs wait for a host that is gone (CONTRACT §4): a worker
	// that is restarted, in a container too, is back by then.
	DefaultHostWait = time.Minute
	// DefaultActivities is the number of activities at once (CONTRACT §4).
	DefaultActivities = 5

	defaultMaxSize = "10GB"

	// minStorageSlots is how many storage activities a worker takes at once at least,
	// unless it is told: large downloads leave some for what takes no time.
	minStorageSlots = 4

	// maxActivities is far beyond what a host can run; more is a typing error.
	maxActivities = 10_000
	// minSweepEvery keeps the sweep from becoming the worker's main occupation.
	minSweepEvery = time.Second
	// minHostWait and maxHostWait are what a host can answer within, and when nobody
	// believes any more that it will.
	minHostWait = time.Second
	maxHostWait = 24 * time.Hour
)

// Worker is the environment of everything that uses a cache: workers, and the
// commands that act on a cache beside them.
type Worker struct {
	CacheDir  string         // CACHE_DIR; absolute
	MaxSize   cordon.Size    // CACHE_MAX_SIZE
	TTL       time.Duration  // CACHE_TTL; 0 means none
	CowDriver driver.Setting // CACHE_COW_DRIVER

	// Grace is CACHE_GRACE, how long what a run holds stays after the run is over; as
	// in workspace.Options, less than zero means no time at all.
	Grace time.Duration
	// MinFree is CACHE_MIN_FREE, what the cache leaves free on its disk; zero where it is not set.
	MinFree cordon.Size
	// FillDisk says that CACHE_MIN_FREE is 0: nothing is left free.
	FillDisk bool
	// WorkspaceMax is CACHE_WORKSPACE_MAX, the most that one run's workspace may
	// take; zero means no limit.
	WorkspaceMax cordon.Size

	// FetchLimit is CACHE_FETCH_LIMIT, in bytes per second; 0 means none.
	FetchLimit int64
	// ExtractLimits is CORDON_EXTRACT_LIMITS; what is zero has its default.
	ExtractLimits archive.Limits

	// S3 is the object store. Where its Endpoint is "", targets and results are
	// in the directory store.
	S3 S3
	// StoreDir is the directory store's directory (CORDON_STORE), or "" where it
	// is not set. It has no effect where S3 has an endpoint.
	StoreDir string

	// Vertical is WORKER_VERTICAL, or "".
	Vertical string
	// TaskQueue is WORKER_TASK_QUEUE, else what Serve makes of the vertical, else "".
	TaskQueue string
	// Serve is WORKER_SERVE.
	Serve Serve
	// HealthFile is WORKER_HEALTH_FILE, in which a worker says that it is well; "": in none.
	HealthFile string
	// MaxConcurrentActivities is MAX_CONCURRENT_ACTIVITIES, how many tools run at once; at
	// least 1.
	MaxConcurrentActivities int
	// HostWait is WORKER_HOST_WAIT, how long runs that have a workspace here wait for this
	// host to come back before they go elsewhere.
	HostWait time.Duration

	// StorageSlots is WORKER_STORAGE_SLOTS, how many storage activities run at once beside
	// the tools; at least 1.
	StorageSlots int

	// Drain is WORKER_DRAIN, for how long a worker that stops lets go on what it works on
	// before it tells it to end.
	Drain time.Duration
	// Deployment is WORKER_DEPLOYMENT, the worker deployment that this worker is of one
	// version of; "": it has no version. BuildID is WORKER_BUILD_ID, the version; "": that
	// of the program.
	Deployment, BuildID string

	// Socket is WORKER_SOCKET, where storage activities are served too; absolute, or "".
	Socket string
	// SocketGroup is WORKER_SOCKET_GROUP, the group that may use it; "": none.
	SocketGroup string

	// HTTP is WORKER_HTTP, the host:port at which a worker serves its pages, and Metrics is
	// WORKER_METRICS, where it serves metrics and health alone; "": nowhere.
	HTTP, Metrics string
	HTTPToken     Secret // WORKER_HTTP_TOKEN: who bears it may change something by HTTP; "": nobody
	Pprof         bool   // WORKER_PPROF: Go's profiles are served as well

	// HTTPURL is WORKER_HTTP_URL, under which people reach HTTP, and TemporalUI is
	// CORDON_TEMPORAL_UI, under which they reach Temporal's web UI: for links from the one to
	// the other. They begin with http:// or https:// and end without a slash; "": not known.
	HTTPURL, TemporalUI string

	// ToolBridge is CORDON_TOOL_BRIDGE, the file that says what is run for activities
	// that the worker does not know; absolute, or "".
	ToolBridge string

	Python   string     // CORDON_PYTHON: the Python that has Atheris; "": the first in PATH that has it
	LogLevel slog.Level // LOG_LEVEL
	// CrashRetention, CorpusRetention and ResultRetention are how long crashes, the
	// corpora of fuzzing and results stay in the store (CORDON_CRASH_RETENTION,
	// CORDON_CORPUS_RETENTION, CORDON_RESULT_RETENTION); 0 is for ever.
	CrashRetention, CorpusRetention, ResultRetention time.Duration

	WorkflowDirs []string      // CORDON_WORKFLOWS: colon-separated; absolute, in the order given
	SweepEvery   time.Duration // CORDON_SWEEP_INTERVAL
	MinIsolation sandbox.Tier  // CORDON_MIN_ISOLATION: the least that tools are run with
	Traces       Traces        // OTEL_*
}

// S3 says how the object store is reached. What is empty is left to the usual
// AWS variables and credential chain, and to the store's defaults.
type S3 struct {
	Endpoint  string // S3_ENDPOINT as it is given: results' URLs begin with it (CONTRACT §1.5)
	UseSSL    bool   // S3_USE_SSL; a scheme in Endpoint wins
	AccessKey Secret // S3_ACCESS_KEY
	SecretKey Secret // S3_SECRET_KEY
	Bucket    string // S3_BUCKET
	Region    string // S3_REGION

	FuzzingBucket string // S3_FUZZING_BUCKET: crashes and corpora
}

// FromEnv reads the environment through getenv, which is os.Getenv outside of
// tests. A variable that is empty counts as unset. The error joins one
// *cordon.Error of kind InvalidArgument for each variable that cannot be read,
// with its name, its value and the accepted forms; values of secrets are never
// in it.
func FromEnv(getenv func(string) string) (Worker, error) {
	e := &env{getenv: getenv}
	w := e.worker()
	if err := errors.Join(e.problems...); err != nil {
		return Worker{}, err
	}
	return w, nil
}

// worker reads every variable, and notes which there are.
func (e *env) worker() Worker {
	free := read(e, "CACHE_MIN_FREE", "", parseMinFree)
	w := Worker{
		CacheDir:  e.path("CACHE_DIR", DefaultCacheDir),
		MaxSize:   read(e, "CACHE_MAX_SIZE", defaultMaxSize, cordon.ParseSize),
		TTL:       read(e, "CACHE_TTL", DefaultTTL.String(), cordon.ParseDuration),
		CowDriver: read(e, "CACHE_COW_DRIVER", "auto", driver.ParseSetting),

		Grace:        read(e, "CACHE_GRACE", DefaultGrace.String(), parseGrace),
		MinFree:      free.size,
		FillDisk:     free.none,
		WorkspaceMax: read(e, "CACHE_WORKSPACE_MAX", "0", parseLimit),

		FetchLimit:    read(e, "CACHE_FETCH_LIMIT", "0", parseRate),
		ExtractLimits: read(e, "CORDON_EXTRACT_LIMITS", "", archive.ParseLimits),
		S3: S3{
			Endpoint:  strings.TrimSpace(e.text("S3_ENDPOINT")),
			UseSSL:    read(e, "S3_USE_SSL", "false", parseBool),
			AccessKey: e.secret("S3_ACCESS_KEY"),
			SecretKey: e.secret("S3_SECRET_KEY"),
			Bucket:    e.text("S3_BUCKET"),
			Region:    e.text("S3_REGION"),

			FuzzingBucket: e.text("S3_FUZZING_BUCKET"),
		},
		StoreDir:                e.path("CORDON_STORE", ""),
		Vertical:                read(e, "WORKER_VERTICAL", "", parseVertical),
		TaskQueue:               e.text("WORKER_TASK_QUEUE"),
		Serve:                   read(e, "WORKER_SERVE", string(ServeAll), ParseServe),
		HealthFile:              e.path("WORKER_HEALTH_FILE", ""),
		MaxConcurrentActivities: read(e, "MAX_CONCURRENT_ACTIVITIES", strconv.Itoa(DefaultActivities), parseActivities),
		HostWait:                read(e, "WORKER_HOST_WAIT", DefaultHostWait.String(), parseHostWait),
		StorageSlots:            read(e, "WORKER_STORAGE_SLOTS", "0", parseStorageSlots),
		Drain:                   read(e, "WORKER_DRAIN", "0", cordon.ParseDuration),
		Deployment:              read(e, "WORKER_DEPLOYMENT", "", parseDeployment),
		BuildID:                 read(e, "WORKER_BUILD_ID", "", parseBuildID),
		Socket:                  e.path("WORKER_SOCKET", ""),
		SocketGroup:             e.text("WORKER_SOCKET_GROUP"),
		HTTP:                    read(e, "WORKER_HTTP", "", ParseListen),
		Metrics:                 read(e, "WORKER_METRICS", "", ParseListen),
		HTTPToken:               e.secret("WORKER_HTTP_TOKEN"),
		Pprof:                   read(e, "WORKER_PPROF", "false", parseBool),
		HTTPURL:                 read(e, "WORKER_HTTP_URL", "", parseURL),
		TemporalUI:              read(e, "CORDON_TEMPORAL_UI", "", parseURL),
		ToolBridge:              e.path("CORDON_TOOL_BRIDGE", ""),
		Python:                  e.path("CORDON_PYTHON", ""),
		LogLevel:                read(e, "LOG_LEVEL", "INFO", ParseLevel),
		WorkflowDirs:            e.paths("CORDON_WORKFLOWS"),
		CrashRetention:          read(e, "CORDON_CRASH_RETENTION", "0", cordon.ParseDuration),
		CorpusRetention:         read(e, "CORDON_CORPUS_RETENTION", "0", cordon.ParseDuration),
		ResultRetention:         read(e, "CORDON_RESULT_RETENTION", "0", cordon.ParseDuration),
		SweepEvery:              read(e, "CORDON_SWEEP_INTERVAL", DefaultSweepEvery.String(), parseSweepEvery),
		MinIsolation:            read(e, "CORDON_MIN_ISOLATION", string(sandbox.None), sandbox.ParseTier),
		Traces:                  e.traces(),
	}
	if (w.S3.AccessKey == "") != (w.S3.SecretKey == "") {
		set, unset := "S3_ACCESS_KEY", "S3_SECRET_KEY"
		if w.S3.AccessKey == "" {
			set, unset = unset, set
		}
		e.fail(unset, fmt.Errorf("is not set although %s is", set), "set both, or neither to use the AWS credential chain")
	}
	if w.StorageSlots == 0 {
		w.StorageSlots = max(w.MaxConcurrentActivities, minStorageSlots)
	}
	if w.TaskQueue == "" && w.Vertical != "" {
		w.TaskQueue = w.Serve.Queue(w.Vertical)
	}
	return w
}

// env collects what is read, and what is wrong with it: one start reports everything.
type env struct {
	getenv   func(string) string
	seen     []reading
	problems []error
}

// reading is one variable as it was read.
type reading struct {
	name   string
	given  string // "" where it is unset
	value  string // what was given, as it would be spelled best
	def    string // what is taken where it is unset
	secret bool
}

// text reads a variable as it is.
func (e *env) text(name string) string { return e.note(name, "", false) }

// secret reads a credential.
func (e *env) secret(name string) Secret { return Secret(e.note(name, "", true)) }

// note reads a variable, and remembers that it was read.
func (e *env) note(name, def string, secret bool) string {
	given := e.getenv(name)
	e.seen = append(e.seen, reading{name, given, given, def, secret})
	return given
}

func (e *env) fail(name string, err error, fix string) {
	e.problems = append(e.problems, &cordon.Error{Kind: cordon.InvalidArgument, Op: "read environment", Name: name, Err: err, Fix: fix})
}

// read parses a variable, or def where it is unset.
func read[T any](e *env, name, def string, parse func(string) (T, error)) T {
	_, secret := any(*new(T)).(Secret)
	s := e.note(name, def, secret)
	if s == "" {
		s = def
	}
	v, err := parse(s)
	if err != nil {
		e.fail(name, err, "")
	}
	return v
}

// path reads one path and makes it absolute: what it is relative to would
// otherwise change with whoever reads it.
func (e *env) path(name, def string) string {
	p := e.note(name, def, false)
	if p == "" {
		p = def
	}
	if p == "" {
		return ""
	}
	abs, err := filepath.Abs(p)
	if err != nil {
		e.fail(name, fmt.Errorf("%q is relative, and the current directory is unknown: %w", p, err), "use an absolute path")
	}
	e.seen[len(e.seen)-1].value = abs
	return abs
}

// paths reads a list separated by colons; empty elements do not count.
func (e *env) paths(name string) []string {
	var out []string
	for _, p := range filepath.SplitList(e.text(name)) {
		if p != "" {
			abs, err := filepath.Abs(p)
			if err != nil {
				e.fail(name, fmt.Errorf("%q is relative, and the current directory is unknown: %w", p, err), "use absolute paths")
			}
			out = append(out, abs)
		}
	}
	e.seen[len(e.seen)-1].value = strings.Join(out, string(filepath.ListSeparator))
	return out
}

// verticalForm is what metadata.yaml accepts as a vertical: it becomes part of
// a task queue's name.
var verticalForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func parseVertical(s string) (string, error) {
	if s != "" && !verticalForm.MatchString(s) {
		return "", fmt.Errorf("%q is not a vertical; accepted: 1 to 100 letters, digits, '.', '_' or '-', such as python", s)
	}
	return s, nil
}

// parseBool accepts what Python's tools do.
func parseBool(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is not a boolean; accepted: true, false, 1, 0, yes, no, on, off", s)
}

func parseActivities(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 1 || n > maxActivities {
		return 0, fmt.Errorf("%q is not a number of activities; accepted: 1 to %d", s, maxActivities)
	}
	return n, nil
}

func parseSweepEvery(s string) (time.Duration, error) {
	d, err := cordon.ParseDuration(s)
	if err != nil || d < minSweepEvery {
		return 0, fmt.Errorf("%q is not an interval; accepted: %s or more, such as 90s, 30m, 1d", s, minSweepEvery)
	}
	return d, nil
}

func parseHostWait(s string) (time.Duration, error) {
	d, err := cordon.ParseDuration(s)
	if err != nil || d < minHostWait || d > maxHostWait {
		return 0, fmt.Errorf("%q is not how long to wait for a host; accepted: %s to 24h, such as 90s, 5m", s, minHostWait)
	}
	return d, nil
}

func parseGrace(s string) (time.Duration, error) {
	d, err := cordon.ParseDuration(s)
	if err == nil && d == 0 {
		d = -1
	}
	return d, err
}

// minFree is what is left free: nothing, or size, which is zero where nobody said.
type minFree struct {
	size cordon.Size
	none bool
}

func parseMinFree(s string) (minFree, error) {
	switch strings.TrimSpace(s) {
	case "":
		return minFree{}, nil
	case "0":
		return minFree{none: true}, nil
	}
	size, err := cordon.ParseSize(s)
	if err != nil {
		err = fmt.Errorf("%w; 0 to leave nothing free", err)
	}
	return minFree{size: size}, err
}

// parseLimit reads a size, or 0, which is none.
func parseLimit(s string) (cordon.Size, error) {
	if strings.TrimSpace(s) == "0" {
		return cordon.Size{}, nil
	}
	size, err := cordon.ParseSize(s)
	if err != nil {
		err = fmt.Errorf("%w; 0 for no limit", err)
	}
	return size, err
}

// minFetchLimit is what lets a target of a megabyte arrive within ten minutes;
// less is a typing error.
const minFetchLimit = 2 * cordon.KB

// parseRate reads a number of bytes per second. A bare number, which would be
// gigabytes as a size, is refused: nobody means that of a rate.
func parseRate(s string) (int64, error) {
	text := strings.TrimSuffix(strings.TrimSpace(s), "/s")
	if text == "0" {
		return 0, nil
	}
	size, err := cordon.ParseSize(text)
	rate := size.Of(0) // of a share of the disk too
	if _, bare := strconv.ParseFloat(text, 64); err != nil || bare == nil || rate < minFetchLimit {
		return 0, fmt.Errorf("%q is not a rate; accepted: an amount per second of %s or more with its unit, such as 50MB, 500KB/s or 10MiB/s; 0 for no limit", s, cordon.FormatBytes(minFetchLimit))
	}
	return rate, nil
}

// ParseLevel reads a log level as LOG_LEVEL spells it, in any case: Python's
// names and slog's. CRITICAL is above ERROR.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToUpper(strings.TrimSpace(s)) {
	case "DEBUG":
		return slog.LevelDebug, nil
	case "INFO":
		return slog.LevelInfo, nil
	case "WARN", "WARNING":
		return slog.LevelWarn, nil
	case "ERROR":
		return slog.LevelError, nil
	case "CRITICAL":
		return slog.LevelError + 4, nil
	}
	return 0, fmt.Errorf("%q is not a log level; accepted: DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL", s)
}
