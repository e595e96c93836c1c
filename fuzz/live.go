package fuzz

import (
	"fmt"
	"strings"
	"time"
)

// Live is how far a campaign is, all its sessions together.
type Live struct {
	Stats
	Engine  string `json:"engine"`
	Harness string `json:"harness"`
	Stage   string `json:"stage"` // one of the stages below
	Bugs    int    `json:"bugs"`  // different ones, by their signatures

	Elapsed  Seconds `json:"elapsed_seconds"`            // of fuzzing, earlier attempts included
	Duration Seconds `json:"duration_seconds,omitempty"` // that it may take; 0: no limit
	Plateau  bool    `json:"plateau,omitempty"`          // nothing new for so long that little is to be expected

	// Found are the bugs so far, maxFound at most: another attempt begins with them.
	Found []Sighting `json:"found,omitempty"`
}

// maxFound bounds Live.Found, which is told every second or two.
const maxFound = 50

// The stages of a campaign.
const (
	StageBuild  = "building"
	StagePull   = "fetching the corpus"
	StageFuzz   = "fuzzing"
	StageTriage = "looking into crashes"
	StageMerge  = "merging the corpus"
)

// Seconds is a duration that JSON has as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes whole milliseconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// UnmarshalJSON reads any number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if _, err := fmt.Sscanf(string(b), "%g", &f); err != nil {
		return fmt.Errorf("%.40q is no number of seconds", b)
	}
	*s = Seconds(f * float64(time.Second))
	return nil
}

// A campaign is on a plateau once nothing new was found for a third of its time,
// within these bounds: most campaigns find most of what they find early.
const (
	minPlateau = 30 * time.Second
	maxPlateau = 15 * time.Minute
)

// plateau reports whether a campaign of that duration, 0 for no limit, that has
// found nothing new for so long is on a plateau.
func plateau(idle, duration time.Duration) bool {
	limit := maxPlateau
	if duration > 0 {
		limit = min(max(duration/3, minPlateau), maxPlateau)
	}
	return idle >= limit
}

// String renders l on one line for people.
func (l Live) String() string { return l.at(time.Now()) }

func (l Live) at(now time.Time) string {
	if l.Stage != StageFuzz {
		return l.Harness + ": " + l.Stage
	}
	parts := []string{
		short(l.Executions) + " execs",
		short(int64(l.PerSecond)) + "/s",
		"cov " + short(l.Coverage),
		"corpus " + short(l.Corpus),
		fmt.Sprintf("%d crashes", l.Bugs),
	}
	if l.Bugs == 1 {
		parts[4] = "1 crash"
	}
	if !l.LastNew.IsZero() {
		idle := max(now.Sub(l.LastNew), 0).Round(time.Second)
		what := "last new path " + idle.String() + " ago"
		if l.Plateau {
			what = "plateau: no new path for " + idle.String()
		}
		parts = append(parts, what)
	}
	return l.Harness + ": " + strings.Join(parts, ", ")
}

// short renders a count in three figures or so.
func short(n int64) string {
	for _, u := range []struct {
		of   int64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if n >= u.of {
			of := max(u.of, 1)
			if u.name == "k" {
				of = 1e3
			}
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(of)), ".0") + u.name
		}
	}
	return fmt.Sprint(n)
}
