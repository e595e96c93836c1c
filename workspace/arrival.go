package workspace

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// arrival is an object on its way into a file. What has arrived can be read
// while the rest is under way: the file is the buffer, of any length. It
// implements archive.ContextReaderAt.
type arrival struct {
	info   target.Info
	file   *os.File
	stop   context.CancelCauseFunc
	done   chan struct{} // closed when nothing more comes
	landed atomic.Bool   // all is here, and is what it should be

	mu   sync.Mutex
	have int64         // bytes from the beginning on
	err  error         // why there will be no more
	more chan struct{} // closed at the next change
}

// errUnwanted is why an arrival is stopped whose bytes nobody needs any more.
var errUnwanted = errors.New("the rest of the object is not needed")

// receive begins to put exactly the version that info describes into s. The
// caller closes what it returns.
func (c *Cache) receive(ctx context.Context, s *staging, info target.Info, st *step) (*arrival, error) {
	st.begin("downloading", info.Size)
	ctx, told := c.observer.Begin(ctx, Work{Kind: WorkDownload, Target: info.ID})
	body, got, err := c.store.Open(ctx, info.ID, info.ETag)
	if err != nil {
		told(Done{Err: err})
		return nil, err
	}
	f, err := s.root.OpenFile(objectName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask
	}
	if err != nil {
		f.Close() // of a nil file too
		body.Close()
		told(Done{Err: err})
		return nil, err
	}
	a := &arrival{info: info, file: f, done: make(chan struct{}), more: make(chan struct{})}
	ctx, a.stop = context.WithCancelCause(ctx)
	go func() {
		defer close(a.done)
		defer body.Close()
		// A read that hangs in the store's connection ends with the context.
		defer context.AfterFunc(ctx, func() { body.Close() })()
		var sum hash.Hash
		if info.SHA256 != "" && got.ETag == info.ETag {
			sum = sha256.New()
		}
		err := a.arrive(ctx, body, sum, c.throttle, st, c.observer.Arrived)
		if err == nil && sum != nil {
			err = a.compare(sum)
		}
		a.landed.Store(err == nil)
		a.grow(0, err)
		told(Done{Err: err, Bytes: a.arrived()})
	}()
	return a, nil
}

// cloner is what a store's reader may offer: to make f, which is empty, share the
// blocks of the whole object, where its file system can. If it fails nothing has
// been read.
type cloner interface{ CloneTo(f *os.File) error }

// arrive moves the object into the file, and through sum unless that is nil, and tells
// of each piece.
func (a *arrival) arrive(ctx context.Context, body io.Reader, sum hash.Hash, throttle *rate.Limiter, st *step, tell func(bytes int64)) error {
	if b, ok := body.(cloner); ok && b.CloneTo(a.file) == nil {
		a.grow(a.info.Size, nil)
		st.done.Store(a.info.Size)
		tell(a.info.Size)
		if sum == nil {
			return nil
		}
		return passOn(ctx, io.NewSectionReader(a.file, 0, a.info.Size), copyStep, func(p []byte) error {
			sum.Write(p)
			return nil
		})
	}
	piece := copyStep
	if throttle != nil {
		piece = throttle.Burst()
	}
	var n int64
	err := passOn(ctx, io.LimitReader(body, a.info.Size+1), piece, func(p []byte) error {
		if throttle != nil {
			if err := throttle.WaitN(ctx, len(p)); err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
		}
		if _, err := a.file.WriteAt(p, n); err != nil {
			return err
		}
		if sum != nil {
			sum.Write(p)
		}
		n += int64(len(p))
		a.grow(min(n, a.info.Size), nil)
		st.done.Store(n)
		tell(int64(len(p)))
		return nil
	})
	if err == nil && n != a.info.Size {
		err = &cordon.Error{Kind: cordon.StorageUnavailable, Op: "download", Name: a.info.ID.String(),
			Err: fmt.Errorf("got %d bytes or more of an object of %d", n, a.info.Size), Fix: "try again"}
	}
	return err
}

// newThrottle returns what lets bytesPerSecond through. It does so in pieces of a
// tenth of a second: many enough for the rate to look even, and none so small
// that system calls count.
func newThrottle(bytesPerSecond int64) *rate.Limiter {
	piece := min(max(bytesPerSecond/10, 4<<10), copyStep)
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(piece))
}

func (a *arrival) compare(sum hash.Hash) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != a.info.SHA256 {
		return &cordon.Error{Kind: cordon.IntegrityMismatch, Op: "download", Name: a.info.ID.String(),
			Err: fmt.Errorf("the bytes have the SHA-256 %s, and the uploader stated %s", got, a.info.SHA256),
			Fix: "upload the target again"}
	}
	return nil
}

// arrived returns how many bytes are here.
func (a *arrival) arrived() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.have
}

// grow tells those who wait that there are have bytes, or that err is why there
// will be no more.
func (a *arrival) grow(have int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.have, a.err = max(a.have, have), err
	close(a.more)
	a.more = make(chan struct{})
}

// ReadAt implements io.ReaderAt. It waits for what is not there yet.
func (a *arrival) ReadAt(p []byte, off int64) (int, error) {
	return a.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext implements archive.ContextReaderAt.
func (a *arrival) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	for {
		a.mu.Lock()
		have, err, more := a.have, a.err, a.more
		a.mu.Unlock()
		if have >= min(off+int64(len(p)), a.info.Size) {
			return a.file.ReadAt(p, off)
		}
		if err != nil {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-more:
		}
	}
}

// wait returns when the object is here and is what it should be, or why not.
func (a *arrival) wait() error {
	<-a.done
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// close stops what is still under way and waits for it.
func (a *arrival) close() {
	a.stop(errUnwanted)
	<-a.done
	_ = a.file.Close() // what matters of it is synced later, by name
}
