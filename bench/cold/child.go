package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// childFlag, as the first argument, makes the program do one job in a process of
// its own, so that memory and CPU time are the job's alone: the job is read from
// the standard input, the answer is written to the standard output, both JSON.
const childFlag = "--child"

// Jobs of a child.
const (
	doGet     = "get"     // Open a cache and Get a target
	doInspect = "inspect" // decode an object, as the engine does, and make nothing
	doExtract = "extract" // extract an object into a directory
)

type job struct {
	Do string `json:"do"`

	// Of doGet.
	Dir    string `json:"dir,omitempty"`  // the directory store, or
	Login  login  `json:"login,omitzero"` // the S3 store
	Target string `json:"target,omitempty"`
	Cache  string `json:"cache,omitempty"` // the directory, which is empty

	// Of the others.
	Object string `json:"object,omitempty"`
	Tree   string `json:"tree,omitempty"` // the directory, which is empty

	Sync bool `json:"sync"` // then write everything through
}

// answer is what a child found out. Times are in seconds, sizes in bytes.
type answer struct {
	Path    string  `json:"path,omitempty"` // of what was made
	Done    float64 `json:"done"`
	Durable float64 `json:"durable"` // from the same start; 0: not asked for
	CPU     float64 `json:"cpu"`     // user and system, until done
	Idle    int64   `json:"idle"`    // peak memory before the job
	Peak    int64   `json:"peak"`    // peak memory until done
	Error   string  `json:"error,omitempty"`
}

// child does the job that is in r and writes its answer to w.
func child(r io.Reader, w io.Writer) (code int) {
	var j job
	var a answer
	err := json.NewDecoder(r).Decode(&j)
	if err == nil {
		a, err = j.do(context.Background()) // whoever started it kills it
	}
	if err != nil {
		a.Error, code = err.Error(), 1
	}
	if err := json.NewEncoder(w).Encode(a); err != nil {
		return 1
	}
	return code
}

func (j *job) do(ctx context.Context) (answer, error) {
	switch j.Do {
	case doGet:
		return j.get(ctx)
	case doInspect, doExtract:
		return j.decode(ctx)
	}
	return answer{}, fmt.Errorf("no such job: %q", j.Do)
}

func (j *job) get(ctx context.Context) (a answer, err error) {
	id, err := cordon.ParseTargetID(j.Target)
	if err != nil {
		return a, err
	}
	run, err := cordon.ParseRunID("first")
	if err != nil {
		return a, err
	}
	var store target.Source
	if j.Dir != "" {
		store, err = dir.Open(j.Dir)
	} else {
		store, err = openS3(j.Login)
	}
	if err != nil {
		return a, err
	}
	m, err := begin()
	if err != nil {
		return a, err
	}
	cache, err := workspace.Open(workspace.Options{Dir: j.Cache, Store: store, Logger: slog.New(slog.DiscardHandler),
		MaxSize: cordon.BytesOf(1000 * cordon.TB), // the file system is the limit
	})
	if err != nil {
		return a, err
	}
	// An idle worker has its cache open.
	if err := m.idle(); err != nil {
		return a, errors.Join(err, cache.Close())
	}
	ws, err := cache.Get(ctx, workspace.Request{Target: id, Run: run, Mode: cordon.Isolated})
	if err == nil {
		a, err = m.end(j.Cache, j.Sync)
	}
	a.Path = ws.Path
	return a, errors.Join(err, cache.Close())
}

func (j *job) decode(ctx context.Context) (a answer, err error) {
	f, err := os.Open(j.Object)
	if err != nil {
		return a, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return a, err
	}
	m, err := begin()
	if err != nil {
		return a, err
	}
	if j.Do == doInspect {
		_, err = archive.Inspect(ctx, f, info.Size(), archive.Options{})
	} else {
		err = extractInto(ctx, f, info.Size(), j.Tree)
	}
	if err != nil {
		return a, err
	}
	a, err = m.end(j.Tree, j.Sync)
	a.Path = j.Tree
	return a, err
}

func extractInto(ctx context.Context, f *os.File, size int64, tree string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = archive.Extract(ctx, f, size, root, archive.Options{})
	return err
}

// meter measures this process.
type meter struct {
	start  time.Time
	cpu    float64
	before int64
}

func begin() (m *meter, err error) {
	m = &meter{}
	if err := m.idle(); err != nil {
		return nil, err
	}
	if m.cpu, err = ownCPU(); err != nil {
		return nil, err
	}
	m.start = time.Now()
	return m, nil
}

// idle takes what the process has had of memory until then as that of an idle one.
func (m *meter) idle() (err error) {
	m.before, err = peakOf(os.Getpid())
	return err
}

// end reports what went since begin, and makes what is at path durable if it is to be.
func (m *meter) end(path string, sync bool) (a answer, err error) {
	a.Done, a.Idle = time.Since(m.start).Seconds(), m.before
	cpu, err := ownCPU()
	if err != nil {
		return a, err
	}
	a.CPU = cpu - m.cpu
	if a.Peak, err = peakOf(os.Getpid()); err != nil {
		return a, err
	}
	if sync {
		if err := syncFS(path); err != nil {
			return a, err
		}
		a.Durable = time.Since(m.start).Seconds()
	}
	return a, nil
}

// ownCPU returns the seconds that this process has run, as itself and as the kernel.
func ownCPU() (float64, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}

// syncFS writes the file system through that path is on, as sync -f does.
func syncFS(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(d.Fd())))
}

// delegate has a child do j.
func delegate(ctx context.Context, j job) (a answer, err error) {
	in, err := json.Marshal(j)
	if err != nil {
		return a, err
	}
	c := exec.CommandContext(ctx, "/proc/self/exe", childFlag)
	var out, said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for the one who waits; it kills this one
	ran := c.Run()
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("the child: %w: %s", errors.Join(ran, err), said.Bytes())
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, ran
}
