package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/cordonlabs/cordon"
)

// Spread is a figure that was taken several times.
type Spread struct {
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples,omitempty"` // in the order in which they were taken
}

// Taken reports whether there is a figure at all.
func (s Spread) Taken() bool { return len(s.Samples) > 0 }

// AddTime adds a sample of time.
func (s *Spread) AddTime(d time.Duration) { s.Add(d.Seconds()) }

// Add adds a sample.
func (s *Spread) Add(v float64) {
	s.Samples = append(s.Samples, v)
	sorted := slices.Sorted(slices.Values(s.Samples))
	n := len(sorted)
	s.Min, s.Max, s.Median = sorted[0], sorted[n-1], (sorted[(n-1)/2]+sorted[n/2])/2
}

// Ratio returns a/b, or 0 if b is.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// ShowTime renders seconds with three digits, in the unit that fits.
func ShowTime(s float64) string {
	switch a := max(s, -s); {
	case a < 0.0009995:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case a < 0.00995:
		return fmt.Sprintf("%.2f ms", s*1e3)
	case a < 0.0995:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case a < 0.9995:
		return fmt.Sprintf("%.0f ms", s*1e3)
	case a < 9.95:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// ShowBytes renders a number of bytes.
func ShowBytes(b float64) string { return cordon.FormatBytes(int64(b)) }

// ShowTimes renders a ratio.
func ShowTimes(v float64) string { return fmt.Sprintf("%.3g ×", v) }
