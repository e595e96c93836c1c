// Command migrate measures what changes for whoever comes from a worker in Python:
// the steps of runs on one target, as Cordon does them and as a cache in Python does
// that works as one writes it first (../internal/naive). It prints the table of
// docs/migrate-from-fuzzforge.md.
//
// All happens in one run, on the file system of TMPDIR, in turns. The store is a
// directory, for both. Times are without the start of a process: workers run already.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/bench/internal/naive"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each figure is taken")
	files := flag.Int("files", 2000, "in the target, of 10 kB each")
	flag.Parse()
	code, err := lab.EnterPrivate() // so that mounts end with this process
	if err == nil {
		code = lab.ExitBroke
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = run(ctx, os.Stdout, *rounds, *files)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(code)
	}
}

// atOnce is how many runs ask for one cold target together.
const atOnce = 8

// noLimit is more than any cache has here, in bytes.
const noLimit = "1000000000000000"

// row is one line of the table.
type row struct {
	what        string
	naive, ours lab.Spread

	// In all rounds: downloads, where they are counted, and runs that got an error.
	// One of Cordon's ends the measurement.
	naiveFetched, oursFetched, naiveFailed int64
}

// run measures and prints the table to out.
func run(ctx context.Context, out io.Writer, rounds, files int) (err error) {
	top, err := os.MkdirTemp("", "cordon-migrate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	script, err := naive.Write(top)
	if err != nil {
		return err
	}
	object := filepath.Join(top, "store/targets/t/target")
	if err := makeObject(object, files); err != nil {
		return err
	}
	// Another target of the same bytes: what is fetched for copy-on-write serves shared
	// trees too.
	other := filepath.Join(top, "store/targets/cold/target")
	if err := errors.Join(os.MkdirAll(filepath.Dir(other), 0o755), os.Link(object, other)); err != nil {
		return err
	}
	rows := []*row{
		{what: "isolated: a run gets its tree, cold"},
		{what: "copy-on-write: another run gets its tree"},
		{what: "shared: asked again"},
		{what: fmt.Sprintf("shared: %d runs ask at once, cold", atOnce)},
		{what: "a run's tree is cleaned up"},
	}
	driver := ""
	for i := range rounds {
		here := filepath.Join(top, strconv.Itoa(i))
		if err := theirs(ctx, script, object, filepath.Join(here, "naive"), rows); err != nil {
			return err
		}
		if driver, err = cordons(ctx, filepath.Join(top, "store"), filepath.Join(here, "cordon"), rows); err != nil {
			return err
		}
		if err := os.RemoveAll(here); err != nil {
			return err
		}
	}
	info, err := os.Stat(object)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "target: %d files of 10 kB, %s packed; %d rounds, medians; copy-on-write by %s\n\n", files, cordon.FormatBytes(info.Size()), rounds, driver)
	fmt.Fprintln(out, "| step | Python | Cordon | |\n|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", r.what, lab.ShowTime(r.naive.Median), lab.ShowTime(r.ours.Median), lab.ShowTimes(lab.Ratio(r.naive.Median, r.ours.Median)))
		if r.oursFetched > 0 {
			each := func(n int64) float64 { return float64(n) / float64(rounds) }
			fmt.Fprintf(out, "| … downloads | %.2g | %.2g | |\n", each(r.naiveFetched), each(r.oursFetched))
			fmt.Fprintf(out, "| … of them fail | %.2g | 0 | |\n", each(r.naiveFailed))
		}
	}
	return nil
}

// theirs takes one sample of each row of the cache in Python.
func theirs(ctx context.Context, script, object, cache string, rows []*row) error {
	took := func(r *row, args ...string) error {
		var a struct{ Took float64 }
		err := naive.Run(ctx, script, &a, args...)
		if err == nil && r != nil {
			r.naive.Add(a.Took)
		}
		return err
	}
	at := func(name string) string { return filepath.Join(cache, name) }
	err := errors.Join(
		os.MkdirAll(cache, 0o755),
		took(rows[0], "get", cache, noLimit, object, at("a")),
		took(nil, "get", cache, noLimit, object, at("base")),
		took(rows[1], "copy", at("base/workspace"), at("b")),
		took(rows[4], "rmtree", at("a")),
	)
	if err != nil {
		return err
	}
	var again struct{ Each []float64 }
	if err := naive.Run(ctx, script, &again, "hit", at("base"), "1000"); err != nil {
		return err
	}
	var sum float64
	for _, s := range again.Each {
		sum += s
	}
	rows[2].naive.Add(sum / float64(len(again.Each)))

	// The slowest of the crowd counts: that is when all can begin.
	var mu sync.Mutex
	var slowest float64
	err = crowd(func(int) error {
		var a struct {
			Took    float64
			Fetched int64
			Failed  int64
		}
		err := naive.Run(ctx, script, &a, "shared", cache, noLimit, object, at("crowd"))
		mu.Lock()
		slowest = max(slowest, a.Took)
		rows[3].naiveFetched += a.Fetched
		rows[3].naiveFailed += a.Failed
		mu.Unlock()
		return err
	})
	rows[3].naive.Add(slowest)
	return err
}

// counting counts downloads.
type counting struct {
	target.Source
	n atomic.Int64
}

func (c *counting) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	c.n.Add(1)
	return c.Source.Open(ctx, id, etag)
}

// cordons takes one sample of each row of Cordon's.
func cordons(ctx context.Context, storeDir, cacheDir string, rows []*row) (driver string, err error) {
	store, err := dir.Open(storeDir)
	if err != nil {
		return "", err
	}
	counted := &counting{Source: store}
	cache, err := workspace.Open(workspace.Options{Dir: cacheDir, Store: counted, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	if _, err := cache.CowDriver(); err != nil { // a worker tries them at its start
		return "", err
	}
	get := func(name, run string, mode cordon.Mode) (ws workspace.Workspace, took float64, err error) {
		id, err := cordon.ParseTargetID(name)
		if err != nil {
			return ws, 0, err
		}
		r, err := cordon.ParseRunID(run)
		if err != nil {
			return ws, 0, err
		}
		start := time.Now()
		ws, err = cache.Get(ctx, workspace.Request{Target: id, Run: r, Mode: mode})
		return ws, time.Since(start).Seconds(), err
	}
	own, took, err := get("t", "a", cordon.Isolated)
	if err != nil {
		return "", err
	}
	rows[0].ours.Add(took)
	start := time.Now()
	if _, err := cache.Cleanup(ctx, own.Path, workspace.Caller{Run: "a"}); err != nil {
		return "", err
	}
	rows[4].ours.Add(time.Since(start).Seconds())
	if _, _, err := get("t", "base", cordon.CopyOnWrite); err != nil {
		return "", err
	}
	view, took, err := get("t", "b", cordon.CopyOnWrite)
	if err != nil {
		return "", err
	}
	rows[1].ours.Add(took)

	before := counted.n.Load()
	start = time.Now()
	if err := crowd(func(i int) error { _, _, err := get("cold", fmt.Sprintf("crowd-%d", i), cordon.Shared); return err }); err != nil {
		return "", err
	}
	rows[3].ours.Add(time.Since(start).Seconds())
	rows[3].oursFetched += counted.n.Load() - before
	const hits = 1000
	start = time.Now()
	for range hits {
		if _, _, err := get("cold", "crowd-0", cordon.Shared); err != nil {
			return "", err
		}
	}
	rows[2].ours.Add(time.Since(start).Seconds() / hits)
	for i := range atOnce {
		if _, err := cache.Cleanup(ctx, filepath.Join(cacheDir, "cold/workspace"), workspace.Caller{Run: fmt.Sprintf("crowd-%d", i)}); err != nil {
			return "", err
		}
	}
	for _, run := range []string{"base", "b"} {
		if _, err := cache.Cleanup(ctx, filepath.Join(cacheDir, "t", run, "workspace"), workspace.Caller{Run: run}); err != nil {
			return "", err
		}
	}
	if _, err := cache.Sweep(ctx, workspace.SweepOptions{}); err != nil {
		return "", err
	}
	return view.Driver, nil
}

// crowd calls f as many times at once.
func crowd(f func(i int) error) error {
	errs := make([]error, atOnce)
	var wg sync.WaitGroup
	for i := range atOnce {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// makeObject writes a tar.gz of files of 10 kB, half of each compresses well.
func makeObject(path string, files int) error {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	random := rand.NewChaCha8([32]byte{1})
	body := make([]byte, 10_000)
	for i := range files {
		_, _ = random.Read(body[:len(body)/2]) // it never fails
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%02d/f%04d", i%50, i), Mode: 0o644, Size: int64(len(body))}); err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), z.Close(), os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
