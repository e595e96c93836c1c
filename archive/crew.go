package archive

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// Files are handed over in batches: a hand-over for each would cost as much as
// making a small file.
const (
	// batchBytes is how much content a batch holds. Files of up to this size are
	// read whole before they are made.
	batchBytes = 512 << 10
	// batchFiles is how many files a batch holds, each of which may keep a directory
	// open.
	batchFiles = 32
	// batchesEach is how many batches there are for each worker, and maxBatches for
	// all: one in its hands, and some because files may take longer to make than to
	// read, and others the other way round.
	batchesEach, maxBatches = 4, 16
	// maxWorkers is as many as make files in one file system at once with gain:
	// beyond, they wait for its locks.
	maxWorkers = 8
)

// crew makes files on goroutines of its own, while the archive is read on. All
// methods are for the one goroutine that reads it.
type crew struct {
	work  chan *batch
	spare chan *batch
	now   *batch // being filled, or nil
	seq   int64  // of the next batch

	working sync.WaitGroup // batches that were handed over
	workers sync.WaitGroup

	quit   atomic.Bool // nobody wants the files any more
	mu     sync.Mutex
	failed atomic.Pointer[crewError]
}

// crewError is the error of the earliest batch that has one.
type crewError struct {
	seq int64
	err error
}

type batch struct {
	seq   int64
	buf   []byte
	used  int
	tasks []task
}

// task is one file to be made, or a part of one.
type task struct {
	made *madeFile
	data []byte    // at off, or the whole file's
	off  int64     // of a part
	part bool      // made is open already, and others write to it
	body io.Reader // of a file that is read by who makes it
}

func newCrew() *crew {
	n := min(runtime.GOMAXPROCS(0), maxWorkers)
	batches := min(n*batchesEach, maxBatches)
	c := &crew{work: make(chan *batch, batches), spare: make(chan *batch, batches)}
	for range batches {
		c.spare <- &batch{}
	}
	for range n {
		c.workers.Go(c.run)
	}
	return c
}

// room returns a buffer of n bytes, at most batchBytes, of the present batch.
func (c *crew) room(n int64) []byte {
	b := c.batch(int(n))
	if b.buf == nil {
		b.buf = make([]byte, batchBytes)
	}
	from := b.used
	b.used += int(n)
	return b.buf[from:b.used:b.used]
}

// batch returns the batch that is being filled, which has room for n bytes and
// for a task.
func (c *crew) batch(n int) *batch {
	if c.now != nil && (batchBytes-c.now.used < n || len(c.now.tasks) >= batchFiles) {
		c.hand()
	}
	if c.now == nil {
		c.now = <-c.spare
		c.now.seq = c.seq
		c.seq++
	}
	return c.now
}

// add hands t over, some time. Its data is of what room returned last, and so
// goes with that batch, even if it has tasks enough.
func (c *crew) add(t task) error {
	b := c.now
	if len(t.data) == 0 {
		b = c.batch(0)
	}
	b.tasks = append(b.tasks, t)
	return c.err()
}

func (c *crew) hand() {
	b := c.now
	c.now = nil
	c.working.Add(1)
	c.work <- b
}

// err returns the error of the earliest file that could not be made so far.
func (c *crew) err() error {
	if f := c.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

func (c *crew) fail(seq int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.failed.Load(); f == nil || seq < f.seq {
		c.failed.Store(&crewError{seq, err})
	}
}

// flush returns when all that was added is done.
func (c *crew) flush() error {
	if c.now != nil {
		c.hand()
	}
	c.working.Wait()
	return c.err()
}

// close ends the crew. With abandon, what is not made yet is not made.
func (c *crew) close(abandon bool) error {
	if abandon {
		c.quit.Store(true)
	}
	err := c.flush()
	close(c.work)
	c.workers.Wait()
	return err
}

func (c *crew) run() {
	var buf []byte // of files that are read by who makes them
	for b := range c.work {
		for _, t := range b.tasks {
			if c.unwanted(b.seq) {
				t.made.drop(t.part)
				continue
			}
			if t.body != nil && buf == nil {
				buf = make([]byte, copyBuffer)
			}
			if err := t.do(buf); err != nil {
				c.fail(b.seq, err)
			}
		}
		clear(b.tasks)
		b.tasks, b.used = b.tasks[:0], 0
		c.spare <- b
		c.working.Done()
	}
}

// unwanted reports whether what batch seq holds need not be made: something that
// came before it could not be.
func (c *crew) unwanted(seq int64) bool {
	f := c.failed.Load()
	return c.quit.Load() || f != nil && f.seq < seq
}

func (t *task) do(buf []byte) error {
	switch {
	case t.part:
		return t.made.part(t.data, t.off)
	case t.body != nil:
		return t.made.pull(t.body, buf)
	}
	return t.made.whole(t.data)
}
