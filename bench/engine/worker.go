package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
)

const (
	// workerFlag, as the first argument, makes the program a worker.
	workerFlag = "--worker"

	// cliFlag, as the first argument, makes the program the cordon command.
	cliFlag = "--cordon"
)

// worker is a process that has a cache open and does one job after the other:
// jobs go to its standard input and answers come from its standard output, JSON
// both.
type worker struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	jobs *json.Encoder
	done *json.Decoder
	said bytes.Buffer
}

// startWorker starts a worker with cache open. setup says the rest about it.
func startWorker(ctx context.Context, setup setup) (w *worker, err error) {
	w = &worker{cmd: exec.CommandContext(ctx, "/proc/self/exe", workerFlag)}
	w.cmd.Stderr = &w.said
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for the one who waits; it kills this one
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.jobs, w.done = json.NewEncoder(w.in), json.NewDecoder(out)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	if err := w.jobs.Encode(setup); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	if _, err := w.answer(); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// ask has the worker do j.
func (w *worker) ask(j job) (answer, error) {
	if err := w.jobs.Encode(j); err != nil {
		return answer{}, fmt.Errorf("the worker: %w: %s", err, w.said.Bytes())
	}
	return w.answer()
}

func (w *worker) answer() (a answer, err error) {
	if err := w.done.Decode(&a); err != nil {
		return a, fmt.Errorf("the worker: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// stop lets the worker close its cache and end.
func (w *worker) stop() error {
	err := w.in.Close()
	if werr := w.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("the worker: %w: %s", werr, strings.TrimSpace(w.said.String())))
	}
	return err
}

// with calls do with a worker that setup describes.
func with(ctx context.Context, setup setup, do func(*worker) error) error {
	w, err := startWorker(ctx, setup)
	if err != nil {
		return err
	}
	return errors.Join(do(w), w.stop())
}

// serve is a worker: it opens its cache and does the jobs in r until there are
// no more.
func serve(r io.Reader, w io.Writer) (code int) {
	ctx := context.Background() // whoever started it kills it
	jobs, answers := json.NewDecoder(r), json.NewEncoder(w)
	var s setup
	if err := jobs.Decode(&s); err != nil {
		return 1
	}
	e, err := s.open()
	if err != nil {
		_ = answers.Encode(answer{Error: err.Error()}) // nobody is left to tell that this failed
		return 1
	}
	defer func() {
		if e.cache.Close() != nil {
			code = 1
		}
	}()
	if answers.Encode(answer{}) != nil {
		return 1
	}
	for {
		var j job
		switch err := jobs.Decode(&j); {
		case errors.Is(err, io.EOF):
			return 0
		case err != nil:
			return 1
		}
		a, err := e.do(ctx, j)
		if err != nil {
			a.Error = err.Error()
		}
		if answers.Encode(a) != nil {
			return 1
		}
	}
}
