package s3

import (
	"cmp"
	"context"
	"crypto/md5" // not for security: it is what servers make ETags of
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

// mostBuffers is how many parts of an upload are in memory at once, on the wire
// or being read. More bring nothing where each is 16 MiB.
const mostBuffers = 4

// multipart is an upload in parts.
type multipart struct {
	s        *Store
	at       place
	upload   string                   // what the server calls it
	there    map[int]minio.ObjectPart // what the server has of it from a Put before, by number
	only     *condition               // for the object to be made; may be nil
	alive    bool                     // it is of other bytes, and perhaps of somebody who is at work on it
	patience patience
	sent     account

	mu    sync.Mutex
	parts []minio.CompletePart // at their numbers less one
}

// uploadParts stores part, which is full, and what v yields after it, and
// returns the object's ETag, and whether another Put had begun the upload. That v has come to its end, and so was checked, is
// known before the parts are joined.
func (s *Store) uploadParts(ctx context.Context, at place, v *verify.Reader, part []byte, opts minio.PutObjectOptions, only *condition) (etag string, continued bool, err error) {
	m := &multipart{s: s, at: at, only: only, patience: patience{limit: s.limits.patience}, sent: account{sent: v.Want().Sent}}
	resume := v.Want().Resume
	if resume {
		if m.upload, m.there, err = s.unfinished(ctx, at); err != nil {
			return "", false, err
		}
	}
	if m.upload == "" {
		err = s.creatingBucket(ctx, at.bucket, func() error {
			return s.persist(ctx, at, 1, func() (err error) {
				m.upload, err = s.core.NewMultipartUpload(ctx, at.bucket, at.key, opts)
				return err
			})
		})
		if err != nil {
			return "", false, err
		}
	}
	if err = m.send(ctx, v, part); err == nil {
		etag, err = m.join(ctx)
	}
	if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		err = m.lost(errors.New("another upload of it has joined or removed the parts of this one"))
	}
	if err == nil {
		return etag, m.there != nil, nil
	}
	// An error that has a kind here says that these parts are of no use. What the
	// store says has none yet.
	useless := ctx.Err() == nil && (v.Err() != nil || cordon.KindOf(err) != "")
	empty := len(m.parts) == 0 && len(m.there) == 0
	if !m.alive && (!resume || useless || empty) {
		s.abort(ctx, at, m.upload)
	}
	return "", false, err
}

// send sends part and what v yields after it, several parts at a time.
func (m *multipart) send(ctx context.Context, v *verify.Reader, part []byte) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var sending sync.WaitGroup
	if err := m.read(ctx, v, part, func(number int, b []byte, done func()) {
		sending.Go(func() {
			if err := m.sendPart(ctx, number, b); err != nil {
				stop(err)
			}
			done()
		})
	}); err != nil {
		stop(err)
	}
	sending.Wait()
	return context.Cause(ctx)
}

// read calls send with each part that the server does not have, the first of
// which is part. The bytes are send's until it calls done.
func (m *multipart) read(ctx context.Context, v *verify.Reader, part []byte, send func(number int, b []byte, done func())) error {
	size := len(part)
	free := make(chan []byte, mostBuffers) // nil is one that is to be made
	for range min(maxBuffered/size, mostBuffers) - 1 {
		free <- nil
	}
	n, last := size, false
	for number := 1; n > 0; number++ {
		if number > maxParts {
			return &cordon.Error{Kind: cordon.InvalidArgument, Op: "upload", Err: fmt.Errorf("it has more than %d parts of %d bytes", maxParts, size), Fix: "state the size when putting an object of more than 156 GiB"}
		}
		buf := part
		release := func() { free <- buf }
		if p, ok := m.there[number]; !ok {
			send(number, buf[:n], release)
		} else if same(p, buf[:n]) {
			m.done(number, p.ETag)
			m.sent.add(n)
			release()
		} else {
			return m.differs(ctx, number)
		}
		if last {
			break
		}
		select {
		case part = <-free:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if part == nil {
			part = make([]byte, size)
		}
		var err error
		if n, last, err = fill(part, v); err != nil {
			return err
		}
	}
	return nil
}

// sendPart sends one part, again and again where that may help.
func (m *multipart) sendPart(ctx context.Context, number int, b []byte) error {
	furthest := 0 // bytes that some try got to
	return m.again(ctx, fmt.Sprintf("part %d", number), func() (flowed time.Duration, err error) {
		began := time.Now()
		o := newOutgoing(b, func(from, to int) {
			m.sent.add(to - from)
			if to > furthest {
				// What is sent once more is no progress: else a server that takes
				// some and breaks off would be tried for ever.
				m.patience.progress(int64(to - furthest))
				furthest = to
			}
		})
		p, err := m.s.once.PutObjectPart(ctx, m.at.bucket, m.at.key, m.upload, number, o, int64(len(b)), minio.PutObjectPartOptions{})
		flowed = o.end(err == nil).Sub(began)
		if minio.ToErrorResponse(err).StatusCode != 0 {
			flowed = time.Since(began) // it was heard; what the kernel held was on its way until then
		}
		if err == nil {
			m.done(number, p.ETag)
		}
		return flowed, err
	})
}

// join makes the parts an object and returns its ETag.
func (m *multipart) join(ctx context.Context) (etag string, err error) {
	err = m.again(ctx, "the end", func() (time.Duration, error) {
		err := m.only.with(minio.PutObjectOptions{}, func(opts minio.PutObjectOptions) error {
			up, err := m.s.once.CompleteMultipartUpload(ctx, m.at.bucket, m.at.key, m.upload, m.parts, opts)
			etag = cmp.Or(up.ETag, joined(m.parts)) // Ceph 16 leaves it out
			return err
		})
		if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
			// Perhaps it was joined, and only the answer was lost.
			o, serr := m.s.core.StatObject(ctx, m.at.bucket, m.at.key, minio.StatObjectOptions{})
			if serr == nil && o.ETag == joined(m.parts) {
				etag, err = o.ETag, nil
			}
		}
		return 0, err
	})
	return etag, err
}

// slowTries is how many tries of one part may take their time on a slow link. A
// link that breaks more often than that within a part does not carry it.
const slowTries = 5

// again calls f until it succeeds, fails for good, or nothing has helped for too
// long. For as long as bytes flowed in f nobody waited.
func (m *multipart) again(ctx context.Context, what string, f func() (flowed time.Duration, err error)) error {
	var since time.Time // what counts as waiting began
	for failures := 1; ; failures++ {
		flowed, err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if failures == 1 {
			since = time.Now()
		} else if failures <= slowTries {
			since = since.Add(flowed)
		}
		if !transient(err) || m.patience.over(since) {
			return err
		}
		if failures == 1 {
			m.s.log.WarnContext(ctx, "Upload was interrupted; trying again", m.at.what, m.at.name, "at", what, "error", err)
		}
		if err := pause(ctx, failures); err != nil {
			return err
		}
	}
}

// done records that the server has a part.
func (m *multipart) done(number int, etag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.parts) < number {
		m.parts = append(m.parts, minio.CompletePart{})
	}
	m.parts[number-1] = minio.CompletePart{PartNumber: number, ETag: etag}
}

// lost is the error of an upload whose parts are not, or no longer, its own.
func (m *multipart) lost(err error) *cordon.Error {
	return &cordon.Error{Kind: cordon.Busy, Op: "continue the upload of", Name: m.at.name, Err: err, Fix: "put it again"}
}

// differs is the error of an upload of which the server has other bytes than
// these, or an ETag that does not tell, in a part. One that somebody may be at
// work on is left alone.
func (m *multipart) differs(ctx context.Context, number int) error {
	what := "is removed"
	if m.alive = !m.quiet(ctx); m.alive {
		what = "may be somebody's who is still at it, and is left alone"
	}
	e := m.lost(fmt.Errorf("an unfinished upload of it has other bytes in its part %d, or they cannot be told from other ones; it %s", number, what))
	if m.alive {
		e.Fix = fmt.Sprintf("put it again without continuing an upload, or in %v", m.s.limits.quiet)
	}
	return e
}

// quiet reports whether nobody else has sent a part of the upload for long.
func (m *multipart) quiet(ctx context.Context) bool {
	parts, err := m.s.parts(ctx, m.at, m.upload)
	if err != nil {
		return false // it is of no use here whatever it is; and gone, perhaps
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for number, p := range parts {
		_, before := m.there[number]
		own := !before && number <= len(m.parts) && m.parts[number-1].ETag == p.ETag
		if !own && time.Since(p.LastModified) < m.s.limits.quiet {
			return false
		}
	}
	return true
}

// same reports whether p is a part with the bytes b.
func same(p minio.ObjectPart, b []byte) bool {
	if p.Size != int64(len(b)) {
		return false
	}
	sum := md5.Sum(b)
	return p.ETag == hex.EncodeToString(sum[:])
}

// joined returns the ETag that servers give an object of these parts, or "" where
// theirs do not tell.
func joined(parts []minio.CompletePart) string {
	h := md5.New()
	for _, p := range parts {
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			return ""
		}
		h.Write(b)
	}
	return fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts))
}
