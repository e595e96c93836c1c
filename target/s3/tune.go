package s3

import "time"

// What a fetch adapts to, and between which bounds.
const (
	firstPart = 8 << 20 // bytes; an object of up to that many is one GET
	leastPart = 4 << 20 // bytes; below, a request's round trip shows
	mostPart  = 8 << 20 // bytes; above, there is little to gain, and memory to lose

	firstStreams = 2
	mostStreams  = 8

	// partTime is how long one part should take one stream: long beside the round
	// trip of a request, short beside the time after which things change.
	partTime = 500 * time.Millisecond

	// tuneWindow is how long is measured before something is changed: some dozen
	// round trips, in which a new connection comes up to its speed.
	tuneWindow = 500 * time.Millisecond

	// tuneRest is how long no stream is added after one that brought nothing: a
	// tenth of the time may go into trying.
	tuneRest = 5 * time.Second
)

// tuner chooses the number of streams and the size of parts of one fetch from
// what it measures. A stream is added only where whoever reads waits for bytes
// and the stream before raised the throughput; one that did not goes again.
type tuner struct {
	streams int

	began  time.Time // of the present window
	bytes  int64     // arrived in it, over all streams
	waited time.Duration

	rate   float64   // bytes per second in the window before; 0: there was none
	before float64   // bytes per second without the stream that this window tries; 0: it tries none
	rest   time.Time // no stream is added before
}

func newTuner(now time.Time) tuner {
	return tuner{streams: firstStreams, began: now}
}

// arrived counts n bytes. waited is for how long, since it was last told, the
// reader has waited for bytes. It reports whether a stream is to be started.
func (t *tuner) arrived(now time.Time, n int, waited time.Duration) (grow bool) {
	t.bytes += int64(n)
	t.waited += waited
	took := now.Sub(t.began)
	if took < tuneWindow {
		return false
	}
	t.rate = float64(t.bytes) / took.Seconds()
	starved := t.waited >= took/10 // below that there is little to gain
	t.began, t.bytes, t.waited = now, 0, 0

	before := t.before
	t.before = 0
	switch {
	case !starved:
	case before > 0 && t.rate < before*(1+0.25/float64(t.streams-1)): // less than a quarter of an equal share, for networks are uneven
		t.streams--
		t.rest = now.Add(tuneRest)
	case t.streams < mostStreams && !now.Before(t.rest):
		t.streams++
		t.before = t.rate
		grow = true
	}
	return grow
}

// part returns the size of the next part in whole mebibytes. All streams' parts
// fit into the buffers, and two that wait.
func (t *tuner) part(now time.Time) int64 {
	rate := t.rate
	if took := now.Sub(t.began); rate == 0 && t.bytes >= firstPart && took > 0 {
		rate = float64(t.bytes) / took.Seconds() // on a fast network all may be here before the first window ends
	}
	if rate == 0 {
		return firstPart
	}
	n := int64(rate/float64(t.streams)*partTime.Seconds()) >> 20 << 20
	return max(leastPart, min(n, mostPart, maxBuffered/int64(t.streams+2)>>20<<20))
}
