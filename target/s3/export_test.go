package s3

import (
	"cmp"
	"time"
)

// Patience is after which times a store counts a server as dead. What is zero is
// as usual.
type Patience struct{ Header, Stall, Progress, Stale, Quiet time.Duration }

// OpenImpatient opens a store that gives a server up after a short time.
func OpenImpatient(cfg Config, p Patience) (*Store, error) {
	l := defaultLimits
	l.header = cmp.Or(p.Header, l.header)
	l.stall = cmp.Or(p.Stall, l.stall)
	l.patience = cmp.Or(p.Progress, l.patience)
	l.stale = cmp.Or(p.Stale, l.stale)
	l.quiet = cmp.Or(p.Quiet, l.quiet)
	return open(cfg, l)
}

// LeastPart is the least that S3 lets a part have that is not the last, in bytes.
const LeastPart = 5 << 20

// WithLeastParts returns s, which uploads in parts of LeastPart.
func WithLeastParts(s *Store) *Store {
	s.part = LeastPart
	return s
}

// Region is the region that requests are signed for and, at AWS, sent to.
func (s *Store) Region() string { return s.region }

// ParseEndpoint returns the URL of an endpoint.
func ParseEndpoint(s string, useSSL bool) (string, error) {
	ep, err := parseEndpoint(s, useSSL)
	if err != nil {
		return "", err
	}
	return ep.url(), nil
}

// ContentRange is what is read of such a header.
var ContentRange = contentRange
