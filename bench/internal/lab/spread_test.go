package lab

import "testing"

func TestMedians(t *testing.T) {
	for _, c := range []struct {
		samples          []float64
		median, min, max float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{9, 1}, 5, 1, 9},
		{[]float64{100, 1, 2}, 2, 1, 100},
		{[]float64{4, 1, 3, 2}, 2.5, 1, 4},
	} {
		var s Spread
		for _, v := range c.samples {
			s.Add(v)
		}
		if s.Median != c.median || s.Min != c.min || s.Max != c.max || s.Samples[0] != c.samples[0] {
			t.Errorf("%v: %+v, want median %v of %v to %v, samples in their order", c.samples, s, c.median, c.min, c.max)
		}
	}
}
