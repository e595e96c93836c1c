package storm

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// measure looks every now and then at how much disk the cache takes, with every
// process stopped wherever it is: so it is the disk of one moment.
func (w *season) measure(round context.Context, rnd *rand.Rand) {
	for {
		select {
		case <-round.Done():
			return
		case <-time.After(time.Duration(500+rnd.IntN(2000)) * time.Millisecond):
			w.freeze()
		}
	}
}

// freezeWait is how long a process may take to stop: one that waits for the disk
// stops after that. If it does not, nothing is measured.
const freezeWait = 500 * time.Millisecond

func (w *season) freeze() {
	// Where files share blocks, what each of them takes says nothing of the disk.
	w.freezing.Lock()
	defer w.freezing.Unlock()
	var all []*process
	for _, s := range w.slots {
		s.mu.Lock()
		if s.cur != nil {
			all = append(all, s.cur)
		}
		s.mu.Unlock()
	}
	for _, p := range all {
		p.signal(syscall.SIGSTOP)
		defer p.signal(syscall.SIGCONT)
	}
	for end := time.Now().Add(freezeWait); ; time.Sleep(time.Millisecond) {
		still := true
		for _, p := range all {
			still = still && stopped(p.pid())
		}
		if still {
			break
		}
		if time.Now().After(end) {
			return
		}
	}
	bytes, err := w.onDiskBytes()
	dead, derr := w.deadBytes()
	if err = errors.Join(err, derr); err != nil {
		w.fail(about{}, "measure the cache: %v", err)
		return
	}
	bytes -= dead
	w.sum.samples.Add(1)
	bytes -= w.growth.Load()
	if w.Shares {
		return
	}
	w.sum.fullest.Store(max(w.sum.fullest.Load(), bytes*100/w.MaxSize))
	entries := int64(len(names(w.state("records"))) + len(names(w.state("staging"))))
	if bytes > w.MaxSize+w.slack()+2*block*entries {
		w.fail(about{}, "the cache takes %d bytes, without its trash and what runs wrote, and may take %d", bytes, w.MaxSize)
	}
}

// deadBytes is what processes were making that were killed a moment ago: whoever
// writes next takes it away first.
func (w *season) deadBytes() (sum int64, err error) {
	for _, id := range names(w.state("staging")) {
		f, err := os.Open(w.state("reservations", id))
		if err == nil {
			alive := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
			f.Close()
			if alive {
				continue
			}
		}
		n, err := allocated(w.state("staging", id), map[uint64]bool{}, w.skips())
		if sum += n; err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// block is what a directory takes at least, in bytes.
const block = 4096

// slack is what nobody accounts for: the directories of targets.
func (w *season) slack() int64 { return int64(len(w.shelf.all)+8) * block }

// onDiskBytes is what the cache takes without its trash and its bookkeeping.
func (w *season) onDiskBytes() (sum int64, err error) {
	return allocated(w.cache, map[uint64]bool{}, w.skips())
}

// skips says what in the cache directory takes no disk that is accounted for: what
// a mount shows stands elsewhere.
func (w *season) skips() func(p string) bool {
	mounted := map[string]bool{}
	for _, m := range w.mounts() {
		mounted[m.Point] = m.Source == driver.MountSource
	}
	state := w.state()
	return func(p string) bool {
		if rest, in := strings.CutPrefix(p, state+"/"); in {
			top, _, _ := strings.Cut(rest, "/")
			return top != "staging" && top != "bases" && top != "quarantine" && top != "manifests"
		}
		return mounted[p]
	}
}
