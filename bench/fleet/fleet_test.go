package main

import "testing"

func TestWarmHostsAreBetterThanRandomOnes(t *testing.T) {
	w := world{hosts: 50, targets: 500, slots: 5, cached: 20, runs: 20_000, seed: 1}
	random, warm, best := w.run(1, 0.6, anyHost), w.run(1, 0.6, ranked), w.run(1, 0.6, whoHasIt)
	if warm.hits() < random.hits()+0.2 || warm.hits() > best.hits()+0.01 {
		t.Errorf("random %.3f, warm %.3f, all-knowing %.3f", random.hits(), warm.hits(), best.hits())
	}
	if n := warm.choices[0] + warm.choices[1] + warm.choices[2]; n != warm.runs || warm.runs != w.runs {
		t.Errorf("%d runs of %d, by choice %v", warm.runs, w.runs, warm.choices)
	}
	if again := w.run(1, 0.6, ranked); again != warm {
		t.Errorf("again it is %+v, and was %+v", again, warm)
	}
}
