package s3

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
)

// Pauses between tries grow from backoffBase to backoffCap, each with full
// jitter: streams that broke together do not come back together, and a server
// that needs a moment is not asked more than about twice a second by each.
const (
	backoffBase = 100 * time.Millisecond
	backoffCap  = 3 * time.Second
)

// worthwhile is how many bytes make a connection one that works. Less than that
// a server may send again and again without ever getting anywhere.
const worthwhile = 64 << 10 // bytes

// patience decides when a transfer that meets transient failures is over. All
// streams of a transfer have one in common: it ends when none of them has got
// anywhere for the limit.
type patience struct {
	limit time.Duration

	mu   sync.Mutex
	last time.Time // something worthwhile has come to an end of some kind
	n    int64     // bytes since then
}

// progress counts n bytes that came through.
func (p *patience) progress(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n += n; p.n >= worthwhile {
		p.n, p.last = 0, time.Now()
	}
}

// over reports whether there was no progress for too long. The time before
// since, when whoever asks was not waiting for the server, does not count.
func (p *patience) over(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.After(since) {
		since = p.last
	}
	return time.Since(since) > p.limit
}

// pause waits before a try that follows the given number of failures, at least
// one. It returns early with the error of ctx.
func pause(ctx context.Context, failures int) error {
	most := backoffCap
	if failures < 6 { // from there on the cap is the lesser one
		most = min(most, backoffBase<<(failures-1))
	}
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transient reports whether the request that failed with err may succeed when it
// is sent again: the connection failed or broke, or the server says that it
// cannot serve it for the moment.
func transient(err error) bool {
	if cordon.KindOf(err) != "" || errors.Is(err, errNoCredentials) {
		return false
	}
	resp := minio.ToErrorResponse(err)
	switch resp.StatusCode {
	case 0:
		return resp.Code == "" // else it is minio-go's own verdict
	case 408, 429, 499, 500, 502, 503, 504, 520: // 499 and 520 are what proxies say of a connection that broke
		return true
	}
	switch resp.Code {
	case "RequestTimeout", // of AWS, with the status 400
		"ExistingObjectIsDirectory", // of versitygw, with the status 409: also where the removal of a neighbour has just taken their folder away
		"InternalError":             // in an answer that began as a success
		return true
	}
	return busy(err)
}

// busy reports whether a server refused for having too much to do, or for not
// being ready yet.
func busy(err error) bool {
	resp := minio.ToErrorResponse(err)
	switch resp.StatusCode {
	case 429, 503:
		return true
	}
	switch resp.Code {
	case "ConditionalRequestConflict", // of AWS, with the status 409: somebody else is just putting it
		"SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ServiceUnavailable": // in an answer that began as a success
		return true
	}
	return false
}

// persist calls f, which begins something, as often as a transfer that is under
// way would be tried where the server is busy. What fails in another way that may
// pass is called tries times: a server that cannot be reached is to be known soon.
func (s *Store) persist(ctx context.Context, at place, tries int, f func() error) error {
	began := time.Now()
	for failures, others := 1, 0; ; failures++ {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait := failures
		if busy(err) {
			if time.Since(began) > s.limits.patience {
				return err
			}
		} else {
			if others++; others >= tries || !transient(err) {
				return err
			}
			wait += 2 // there are few tries, and half a second may be what is missing
		}
		if failures == 1 {
			s.log.WarnContext(ctx, "The store does not take a request; trying again", at.what, at.name, "error", err)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// insist is persist for what puts an object. A MinIO on one disk says AccessDenied, too,
// where the removal of a neighbour takes their folder away in the same instant: that is
// asked again, a few times and soon, for most who are refused are refused for good.
func (s *Store) insist(ctx context.Context, at place, put func() error) error {
	for refused := 1; ; refused++ {
		err := s.persist(ctx, at, s.limits.attempt, put)
		if minio.ToErrorResponse(err).Code != minio.AccessDenied || refused > 3 || pause(ctx, refused) != nil {
			return err
		}
	}
}
