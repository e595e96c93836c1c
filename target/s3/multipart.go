package s3

import (
	"bytes"
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
	id       cordon.TargetID
	upload   string                   // what the server calls it
	there    map[int]minio.ObjectPart // what the server has of it from a Put before, by number
	patience patience

	mu    sync.Mutex
	parts []minio.CompletePart // at their numbers less one
}

// uploadParts stores part, which is full, and what v yields after it, and
// returns the object's ETag. That v has come to its end, and so was checked, is
// known before the parts are joined.
func (s *Store) uploadParts(ctx context.Context, id cordon.TargetID, v *verify.Reader, part []byte, opts minio.PutObjectOptions) (etag string, err error) {
	m := &multipart{s: s, id: id, patience: patience{limit: s.limits.patience}}
	resume := v.Want().Resume
	if resume {
		if m.upload, m.there, err = s.unfinished(ctx, id); err != nil {
			return "", err
		}
	}
	if m.upload == "" {
		err = s.creatingBucket(ctx, func() (err error) {
			m.upload, err = s.core.NewMultipartUpload(ctx, s.bucket, key(id), opts)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	if err = m.send(ctx, v, part); err == nil {
		etag, err = m.join(ctx)
	}
	if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
		err = m.lost(errors.New("another upload of it has joined or removed the parts of this one"))
	}
	if err == nil {
		return etag, nil
	}
	// An error that has a kind here says that these parts are of no use. What the
	// store says has none yet.
	useless := ctx.Err() == nil && (v.Err() != nil || cordon.KindOf(err) != "")
	if !resume || useless || len(m.parts) == 0 {
		s.abort(ctx, id, m.upload)
	}
	return "", err
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
			release()
		} else {
			return m.lost(fmt.Errorf("an upload that broke off had other bytes in its part %d, and is removed", number))
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
	return m.again(ctx, fmt.Sprintf("part %d", number), func() error {
		p, err := m.s.once.PutObjectPart(ctx, m.s.bucket, key(m.id), m.upload, number, bytes.NewReader(b), int64(len(b)), minio.PutObjectPartOptions{})
		if err == nil {
			m.done(number, p.ETag)
			m.patience.progress(int64(len(b)))
		}
		return err
	})
}

// join makes the parts an object and returns its ETag.
func (m *multipart) join(ctx context.Context) (etag string, err error) {
	err = m.again(ctx, "the end", func() error {
		up, err := m.s.once.CompleteMultipartUpload(ctx, m.s.bucket, key(m.id), m.upload, m.parts, minio.PutObjectOptions{})
		etag = up.ETag
		if minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
			// Perhaps it was joined, and only the answer was lost.
			o, serr := m.s.core.StatObject(ctx, m.s.bucket, key(m.id), minio.StatObjectOptions{})
			if serr == nil && o.ETag == joined(m.parts) {
				etag, err = o.ETag, nil
			}
		}
		return err
	})
	return etag, err
}

// again calls f until it succeeds, fails for good, or nothing has helped for too long.
func (m *multipart) again(ctx context.Context, what string, f func() error) error {
	var since time.Time // the first failure
	for failures := 1; ; failures++ {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if failures == 1 {
			since = time.Now()
		}
		if !transient(err) || m.patience.over(since) {
			return err
		}
		if failures == 1 {
			m.s.log.WarnContext(ctx, "Upload was interrupted; trying again", "target", m.id.String(), "at", what, "error", err)
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
func (m *multipart) lost(err error) error {
	return &cordon.Error{Kind: cordon.Busy, Op: "continue the upload of", Name: m.id.String(), Err: err, Fix: "put it again"}
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
