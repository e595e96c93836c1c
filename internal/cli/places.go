package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace"
)

// places are the flags that say where things are. A flag beats the environment,
// which beats the default (CONTRACT §8.9).
type places struct {
	data  string // holds store/, cache/ and temporal/
	store string // a directory store
	cache string
}

func (p *places) addData(flags *pflag.FlagSet) {
	flags.StringVar(&p.data, "data", "", "`DIR` that holds the store, the cache and Temporal's state (default: cordon in your cache folder)")
}

func (p *places) addStore(flags *pflag.FlagSet) {
	flags.StringVar(&p.store, "store", "", "keep targets and results in `DIR` (default: S3_ENDPOINT, CORDON_STORE, or under --data)")
}

func (p *places) addCache(flags *pflag.FlagSet) {
	flags.StringVar(&p.cache, "cache-dir", "", "the cache is in `DIR` (default: CACHE_DIR)")
}

// The folders below --data.
const (
	storeFolder    = "store"
	cacheFolder    = "cache"
	temporalFolder = "temporal"
)

// home says whose defaults a command has: those of a worker, whose cache is
// /cache, or those of run and dev, which keep everything below --data.
type home bool

const (
	workerHome home = false
	dataHome   home = true
)

// settings reads the environment and puts the flags above it.
func (a *app) settings(p places, h home) (config.Worker, error) {
	cfg, err := config.FromEnv(a.getenv)
	if err != nil {
		return cfg, err
	}
	if h == dataHome {
		cfg.Socket, cfg.HTTP, cfg.Metrics = "", "", "" // a worker's, which has them already
	}
	switch {
	case p.cache != "":
		cfg.CacheDir = p.cache
	case p.data != "" || (h == dataHome && a.getenv("CACHE_DIR") == ""):
		cfg.CacheDir = p.below(cacheFolder)
	}
	switch {
	case p.store != "":
		cfg.StoreDir, cfg.S3 = p.store, config.S3{}
	case cfg.S3.Endpoint != "":
	case p.data != "" || cfg.StoreDir == "":
		cfg.StoreDir = p.below(storeFolder)
	}
	for _, dir := range []*string{&cfg.CacheDir, &cfg.StoreDir} {
		if *dir == "" {
			continue
		}
		if *dir, err = filepath.Abs(*dir); err != nil {
			return cfg, fmt.Errorf("find the current folder: %w", err)
		}
	}
	return cfg, nil
}

// below returns the absolute path of a folder below --data. Where there is neither --data
// nor a home, it is "": what has no place of its own gets none, and whoever opens it says so.
func (p places) below(folder string) string {
	dir, err := p.dataDir(folder)
	if err != nil {
		return ""
	}
	return dir
}

// dataDir returns the absolute path of a folder below --data.
func (p places) dataDir(name string) (string, error) {
	data := p.data
	if data == "" {
		var err error
		if data, err = defaultData(); err != nil {
			return "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "place the data", Err: err, Fix: "name a folder with --data DIR"}
		}
	}
	return filepath.Abs(filepath.Join(data, name))
}

// defaultData is the folder that --data means where it is not given.
func defaultData() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "cordon"), nil
}

// openCache opens the cache for a command that acts on it beside its workers.
func (a *app) openCache(cfg config.Worker, store worker.Store, log *slog.Logger) (*workspace.Cache, error) {
	opts := a.cacheOptions(cfg, log)
	if store != nil {
		opts.Store = store
	}
	return workspace.Open(opts)
}

func (a *app) cacheOptions(cfg config.Worker, log *slog.Logger) workspace.Options {
	return workspace.Options{
		Dir: cfg.CacheDir, MaxSize: cfg.MaxSize, TTL: cfg.TTL, CowDriver: cfg.CowDriver,
		MinFree: cfg.MinFree, FillDisk: cfg.FillDisk, WorkspaceMax: cfg.WorkspaceMax, Grace: cfg.Grace,
		FetchLimit: cfg.FetchLimit, Limits: cfg.ExtractLimits, Logger: log, Now: a.now,
	}
}

// existingCache opens a cache that is there already, for a command that looks
// after it: looking must not make one. Temporal is asked which runs are over.
func (a *app) existingCache(cfg config.Worker, store worker.Store, log *slog.Logger) (*workspace.Cache, error) {
	if _, err := os.Stat(cfg.CacheDir); errors.Is(err, os.ErrNotExist) {
		fix := "set CACHE_DIR, or name it with --cache-dir or --data"
		if data, err := defaultData(); err == nil {
			if _, err := os.Stat(filepath.Join(data, cacheFolder)); err == nil {
				fix += fmt.Sprintf("; the one of 'cordon run' and 'cordon dev' is below --data %s", data)
			}
		}
		return nil, &codeError{&cordon.Error{Op: "open cache", Name: fmt.Sprintf("%q", cfg.CacheDir), Err: errors.New("there is none"), Fix: fix}, ExitNotFound}
	}
	opts := a.cacheOptions(cfg, log)
	if store != nil {
		opts.Store = store
	}
	opts.Runs = a.liveness(log)
	return workspace.Open(opts)
}
