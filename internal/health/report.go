// Package health is how a worker knows that it is well, and says it in a file that it
// writes every few seconds. That needs no port, and what a worker that hangs wrote last
// grows old.
package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
)

const (
	// every is how often a worker looks at itself. Orchestrators ask every 10 to 30 s.
	every = 10 * time.Second
	// stale is how old a report may be: four were missed, as on a machine whose
	// fuzzers leave no processor for 40 s.
	stale = 45 * time.Second
)

// Report is the content of the file.
type Report struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"` // in the worker's own namespace
	Queues   []string  `json:"queues"`
	Cache    string    `json:"cache"`
	Written  time.Time `json:"written"`
	Problems []string  `json:"problems"` // empty where all is well
	Draining bool      `json:"draining"` // it takes nothing more, and ends when what it works on has ended
}

// Read returns what the worker that writes path said last. The error says why it
// is not well: it wrote nothing, nothing for too long, or which problems it has.
func Read(path string, now time.Time) (Report, error) {
	const op = "ask for the health of the worker"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Report{}, &cordon.Error{Op: op, Name: path, Err: errors.New("no worker has written it: it is starting, it has ended, or it writes none"),
			Fix: "start the worker with the same WORKER_HEALTH_FILE"}
	}
	if err != nil {
		return Report{}, &cordon.Error{Op: op, Err: err}
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return r, &cordon.Error{Op: op, Name: path, Err: fmt.Errorf("it is no worker's: %w", err), Fix: "set WORKER_HEALTH_FILE to a file of its own"}
	}
	if !r.Fresh(now) {
		return r, &cordon.Error{Op: op, Name: path, Err: fmt.Errorf("it was written %v ago, and is to be every %v: the worker hangs, or has ended", now.Sub(r.Written).Round(time.Second), every), Fix: "start it again"}
	}
	if len(r.Problems) > 0 {
		return r, &cordon.Error{Op: op, Err: errors.New(strings.Join(r.Problems, "; "))}
	}
	return r, nil
}

// Fresh reports whether whoever made the report still makes them.
func (r Report) Fresh(now time.Time) bool {
	age := now.Sub(r.Written)
	return -stale <= age && age <= stale
}

// Summary says in a line what a worker without problems does.
func (r Report) Summary() string {
	if r.Draining {
		return fmt.Sprintf("draining: polls no more, and ends when what it works on has ended; cache %s", r.Cache)
	}
	return fmt.Sprintf("healthy: polls %s, cache %s", strings.Join(r.Queues, ", "), r.Cache)
}

// write puts r in the place of what path has, at once.
func (r Report) write(path string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is gone where all went well
	_, err = f.Write(append(b, '\n'))
	// Not synced: of a machine that has just crashed nobody is well.
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
