package s3

import "time"

// OpenImpatient opens a store that gives a server up after a short time.
func OpenImpatient(cfg Config, header, stall time.Duration) (*Store, error) {
	l := defaultLimits
	l.header, l.stall = header, stall
	return open(cfg, l)
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
