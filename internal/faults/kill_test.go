package faults_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/ptrace"
)

// killsPerOperation is how many calls of an operation are struck unless the flag
// asks for all: a second and a half's worth.
const killsPerOperation = 16

// TestKilledAtEachCall is row 11 of the contract's table at every point: each
// operation is killed when it enters each of its changing system calls.
func TestKilledAtEachCall(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			s := op.scene(t)
			var total int
			s.try(op, "not killed", false, func(o order) {
				v, a, log := strike(s, o, ptrace.Strike{})
				if total = v.Calls; a.Failed || total == 0 {
					s.Fatalf("%s\n%s", a.Text, tail(log))
				}
			})
			points := sample(total, killsPerOperation)
			for i, n := range points {
				when := fmt.Sprintf("killed at call %d of %d", n+1, total)
				s.try(op, when, i%2 == 0, func(o order) {
					if v, _, _ := strike(s, o, ptrace.Strike{At: n + 1}); !v.Struck {
						s.Logf("call %d was not reached, there were %d this time", n+1, v.Calls)
					}
				})
			}
			t.Logf("killed at %d of %d calls", len(points), total)
		})
	}
}

// scene makes what the operation works in.
func (op operation) scene(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, op.driver)
	s.MaxSize = op.most
	if op.name == "sweep" {
		s.TTL = 7 * 24 * time.Hour
	}
	if op.driver == "overlay" {
		c := s.open()
		_, err := c.CowDriver()
		c.Close()
		if err != nil {
			t.Skip(err)
		}
	}
	if !op.bare {
		s.bystanders()
	}
	return s
}

// try prepares the operation, has fault do it, and judges what is left: whether
// the same call works, and whether one sweep leaves nothing. Half of the time the
// sweep comes first, so that neither hides what the other would have met.
func (s *scene) try(op operation, when string, sweepFirst bool, fault func(order)) {
	s.Helper()
	if op.bare {
		s.remove(s.Dir)
	}
	o := op.prepare(s)
	fault(o)
	if hurt := s.unhurt(); hurt != "" {
		s.Errorf("%s: %s", when, hurt)
	}
	c := s.open()
	if sweepFirst {
		s.mustBeSwept(when, c)
	}
	op.again(s, c, o)
	if !sweepFirst {
		s.mustBeSwept(when, c)
	}
	if hurt := s.unhurt(); hurt != "" {
		s.Errorf("%s, and everything done again: %s", when, hurt)
	}
	must(s, c.Close())
	log := s.log.take()
	if s.Failed() {
		s.Fatalf("%s; the last that was logged afterwards:\n%s", when, log)
	}
	s.clear()
	s.log.take()
}

func mustTarget(id string) cordon.TargetID { return request(id, runner, "shared").Target }
