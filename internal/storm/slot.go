package storm

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// slot has a process in it, or a new one at once after that was killed.
type slot struct {
	w   *season
	rnd *rand.Rand

	mu   sync.Mutex
	cur  *process
	here chan struct{} // closed when there is one
}

func newSlot(w *season, rnd *rand.Rand) *slot {
	return &slot{w: w, rnd: rnd, here: make(chan struct{})}
}

// process waits for a process.
func (s *slot) process(ctx context.Context) *process {
	for {
		s.mu.Lock()
		p, here := s.cur, s.here
		s.mu.Unlock()
		if p != nil {
			return p
		}
		select {
		case <-here:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *slot) set(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur = p; p != nil {
		close(s.here)
	} else {
		s.here = make(chan struct{})
	}
}

// live starts processes and ends them until the round is over. The last one it
// leaves alive: others may wait for what it does.
func (s *slot) live(round context.Context) {
	for round.Err() == nil {
		set := s.w.settings(s.rnd)
		s.w.freezing.RLock() // nothing starts while the disk is measured
		p, err := s.w.start(set)
		s.w.freezing.RUnlock()
		if err != nil {
			s.w.fail(about{}, "start a process: %v", err)
			return
		}
		s.doom(p)
		s.set(p)
		s.stand(round, p)
		if round.Err() != nil {
			return
		}
		s.set(nil)
		if s.rnd.IntN(12) == 0 {
			p.end()
			select {
			case <-p.gone:
				s.w.sum.ends.Add(1)
				continue
			case <-time.After(time.Duration(s.rnd.IntN(400)) * time.Millisecond):
			}
		}
		p.kill()
		<-p.gone
		s.w.sum.kills.Add(1)
		s.w.killed.Add(1)
	}
}

// doom decides on a kill in the middle of a command that it picks.
func (s *slot) doom(p *process) {
	if s.rnd.IntN(2) == 0 {
		p.mu.Lock()
		p.fatal = 1 + s.rnd.IntN(40)
		// Most system calls come in the first milliseconds of a command.
		p.fatalAfter = time.Duration(s.rnd.ExpFloat64() * float64(3*time.Millisecond))
		p.mu.Unlock()
	}
}

// stand waits for as long as p is to live, and stops it for a while now and then.
func (s *slot) stand(round context.Context, p *process) {
	began := time.Now()
	life := time.Duration(s.rnd.ExpFloat64() * float64(s.w.Life))
	if s.rnd.IntN(8) == 0 {
		nap := time.Duration(s.rnd.IntN(1500)) * time.Millisecond
		pause(round, p, life/2)
		p.signal(syscall.SIGSTOP)
		s.w.sum.stops.Add(1)
		pause(round, p, nap)
		if s.rnd.IntN(3) == 0 {
			return // killed as it is
		}
		p.signal(syscall.SIGCONT)
		life /= 2
	}
	pause(round, p, life)
	// On a busy machine it has not come far by then, and is to die in the middle of
	// all that there is to do.
	for want := s.rnd.IntN(8); p.answered() < want && round.Err() == nil && !p.ended() && time.Since(began) < 10*s.w.Life; {
		pause(round, p, time.Millisecond)
	}
}

func pause(round context.Context, p *process, d time.Duration) {
	select {
	case <-round.Done():
		p.signal(syscall.SIGCONT)
	case <-p.gone:
	case <-time.After(d):
	}
}

// clear ends what is left in the slot when the round is over: some by itself, the
// others as they are.
func (s *slot) clear() {
	s.mu.Lock()
	p := s.cur
	s.mu.Unlock()
	if p == nil {
		return
	}
	p.signal(syscall.SIGCONT)
	if s.rnd.IntN(2) == 0 {
		p.end()
		select {
		case <-p.gone:
			s.w.sum.ends.Add(1)
		case <-time.After(s.w.Patience):
			p.w.fail(about{}, "process %d does not end", p.pid())
		}
	} else {
		s.w.sum.kills.Add(1)
		s.w.killed.Add(1)
	}
	p.kill()
	<-p.gone
	s.set(nil)
}
