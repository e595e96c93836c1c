package traces

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"
)

// place is where a span is: what its children have to know of it.
type place struct {
	trace   [16]byte
	span    [8]byte
	sampled bool

	// state and baggage came from elsewhere and are passed on as they are (W3C's
	// tracestate and baggage).
	state, baggage string
}

// span is a piece of work under way. One that is not sampled is passed on, and never told.
type span struct {
	t      *Traces
	at     place
	parent []byte // nil: it begins the trace
	name   string
	kind   kind
	begin  time.Time
	is     []attribute

	replayed bool // it may be made anew, by a replay; then ended says that its end was seen
	ended    bool
}

// start begins a span below parent, or a trace where that is nil. A key makes the same
// ids of the same work, whoever starts it.
func (t *Traces) start(parent *place, name string, k kind, begin time.Time, key string) *span {
	s := &span{t: t, name: name, kind: k, begin: begin}
	var id [24]byte
	if key != "" {
		sum := sha256.Sum256([]byte(key))
		copy(id[:], sum[:])
	} else {
		for i := 0; i < len(id); i += 8 {
			binary.BigEndian.PutUint64(id[i:], rand.Uint64())
		}
	}
	s.at.trace, s.at.span = [16]byte(id[:16]), [8]byte(id[16:])
	if parent != nil {
		s.at.trace, s.at.state, s.at.baggage = parent.trace, parent.state, parent.baggage
		s.parent = parent.span[:]
	}
	s.at.sampled = t.samples(parent, s.at.trace)
	return s
}

// samples decides by the trace's id, so that everybody who asks for the same share
// decides alike: by its last 63 bits, as OpenTelemetry's SDKs do.
func (t *Traces) samples(parent *place, trace [16]byte) bool {
	by := t.opts.Config.Sampler
	if parent != nil && by.ParentBased {
		return parent.sampled
	}
	return float64(binary.BigEndian.Uint64(trace[8:])>>1) < by.Ratio*(1<<63)
}

// say adds to what is known of the work.
func (s *span) say(attributes ...[]attribute) {
	if !s.at.sampled {
		return
	}
	for _, a := range attributes {
		s.is = append(s.is, a...)
	}
}

// end tells that the work has ended, and by which error.
func (s *span) end(err error) {
	if !s.at.sampled {
		return
	}
	began := s.begin.UnixNano()
	told := &ended{at: s.at, parent: s.parent, name: s.name, kind: s.kind, is: s.is, begin: began, end: max(time.Now().UnixNano(), began)} // the server's clock may be ahead
	if cancelled(err) {
		told.is = append(told.is, yes(attrCancelled, true)...)
	}
	if kind, words := failure(err); kind != "" {
		told.is = append(told.is, text("error.type", kind)...)
		told.failure = kind + ": " + words
	}
	s.t.exporter.put(told)
}

type spanKey struct{}

// spanOf returns the span in which something is done, or nil.
func spanOf(ctx context.Context) *span {
	s, _ := ctx.Value(spanKey{}).(*span)
	return s
}

// within returns the place of the span that ctx is in, or nil.
func within(ctx context.Context) *place {
	if s := spanOf(ctx); s != nil {
		return &s.at
	}
	return nil
}

// The names under which W3C passes a place on.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
	baggageName = "baggage"
)

// passOn returns what others continue the trace by (W3C Trace Context, version 00).
func (p place) passOn() map[string]string {
	flags := "00"
	if p.sampled {
		flags = "01"
	}
	m := map[string]string{traceParent: "00-" + hex.EncodeToString(p.trace[:]) + "-" + hex.EncodeToString(p.span[:]) + "-" + flags}
	for name, value := range map[string]string{traceState: p.state, baggageName: p.baggage} {
		if value != "" {
			m[name] = value
		}
	}
	return m
}

// passedOn reads what others passed on; nil where that is nothing, or nothing that can
// be continued. Versions to come may have more fields.
func passedOn(m map[string]string) *place {
	f := strings.Split(m[traceParent], "-")
	if len(f) < 4 || len(f[0]) != 2 || f[0] == "ff" || f[0] == "00" && len(f) != 4 || len(f[1]) != 32 || len(f[2]) != 16 || len(f[3]) != 2 {
		return nil
	}
	trace, err1 := hex.DecodeString(f[1])
	id, err2 := hex.DecodeString(f[2])
	flags, err3 := hex.DecodeString(f[3])
	if err1 != nil || err2 != nil || err3 != nil {
		return nil
	}
	p := &place{trace: [16]byte(trace), span: [8]byte(id), sampled: flags[0]&flagSampled != 0, state: m[traceState], baggage: m[baggageName]}
	if p.trace == [16]byte{} || p.span == [8]byte{} {
		return nil
	}
	return p
}
