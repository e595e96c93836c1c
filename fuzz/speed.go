package fuzz

import "time"

// speedOver is the time over which executions per second are counted. A fuzzer that
// meets a crash every second begins anew as often, and its own figure says little.
const speedOver = 10 * time.Second

// speed counts executions per second.
type speed struct{ samples []sample }

type sample struct {
	at time.Time
	n  int64
}

// of takes in how many executions there were by now, and returns how many there
// are per second.
func (s *speed) of(n int64) float64 {
	now := time.Now()
	if len(s.samples) == 0 || now.Sub(s.samples[len(s.samples)-1].at) >= speedOver/20 {
		s.samples = append(s.samples, sample{now, n})
	}
	for len(s.samples) > 1 && now.Sub(s.samples[0].at) > speedOver {
		s.samples = s.samples[1:]
	}
	first := s.samples[0]
	if dt := now.Sub(first.at).Seconds(); dt > 0 && n > first.n {
		return float64(n-first.n) / dt
	}
	return 0
}
