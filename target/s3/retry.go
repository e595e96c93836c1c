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
		"InternalError", "SlowDown": // in an answer that began as a success
		return true
	}
	return false
}
