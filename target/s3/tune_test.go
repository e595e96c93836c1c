package s3

import (
	"testing"
	"time"
)

// link is a network of which each stream gets an equal share, up to a bound.
type link struct {
	stream, total float64 // MB/s
	hungry        bool    // the reader waits for bytes
}

// run lets a fetch use the link for so many windows and returns the most streams
// it had, and how many it ended with.
func (l link) run(t *tuner, now *time.Time, windows int) (most, last int) {
	for range windows {
		rate := min(l.stream*float64(t.streams), l.total)
		waited := time.Duration(0)
		if l.hungry {
			waited = tuneWindow / 2
		}
		*now = now.Add(tuneWindow)
		t.arrived(*now, int(rate*1e6*tuneWindow.Seconds()), waited)
		most = max(most, t.streams)
	}
	return most, t.streams
}

func TestStreamsFollowWhatTheyBring(t *testing.T) {
	for _, c := range []struct {
		name       string
		link       link
		most, last int
	}{
		{"each brings its share: as many as there may be", link{stream: 10, total: 1000, hungry: true}, mostStreams, mostStreams},
		{"four fill the link: a fifth is tried and goes again", link{stream: 10, total: 40, hungry: true}, 5, 4},
		{"one fills the link: a third is tried and goes again", link{stream: 50, total: 50, hungry: true}, 3, 2},
		{"the reader is slower than the network", link{stream: 10, total: 1000}, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Now()
			tune := newTuner(now)
			if most, last := c.link.run(&tune, &now, 10); most != c.most || last != c.last {
				t.Errorf("it had up to %d streams, and %d in the end; want %d and %d", most, last, c.most, c.last)
			}
		})
	}
}

func TestAStreamThatBroughtNothingIsTriedAgainLater(t *testing.T) {
	now := time.Now()
	tune := newTuner(now)
	link{stream: 50, total: 100, hungry: true}.run(&tune, &now, 6)
	if _, last := (link{stream: 10, total: 1000, hungry: true}).run(&tune, &now, int(tuneRest/tuneWindow)+12); last != mostStreams {
		t.Errorf("on a link that has become wider there are %d streams", last)
	}
}

func TestPartsTakeHalfASecondWithinTheirBounds(t *testing.T) {
	for rate, want := range map[float64]int64{1: leastPart, 20: 4 << 20, 30: 7 << 20, 1000: mostPart} {
		now := time.Now()
		tune := newTuner(now)
		if got := tune.part(now); got != firstPart {
			t.Errorf("the second part has %d bytes", got)
		}
		link{stream: rate / 2, total: rate}.run(&tune, &now, 1)
		if got := tune.part(now); got != want {
			t.Errorf("at %v MB/s by two streams a part has %d bytes, want %d", rate, got, want)
		}
	}
	tune := tuner{streams: mostStreams, rate: 1e9}
	if got := tune.part(time.Now()); got*mostStreams > maxBuffered {
		t.Errorf("parts of %d bytes do not fit into the buffers", got)
	}
}
