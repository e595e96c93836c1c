package driver

import "sync"

// part is a stretch of a directory's entries: those from the offset on that one
// reading returns. A large directory is a part for one worker, while the rest of
// it is another's.
type part struct {
	dir  *dirNode
	from int64 // the directory's offset, as getdents64(2) gives it
}

// queue holds the parts that nobody works on yet. It is a stack: depth first
// keeps it short.
type queue struct {
	lock   sync.Mutex
	wake   *sync.Cond // made by the first who waits
	parts  []part
	busy   int // parts taken and not done: they may push others
	closed bool
}

func (q *queue) push(p part) {
	q.lock.Lock()
	q.parts = append(q.parts, p)
	if q.wake != nil {
		q.wake.Signal()
	}
	q.lock.Unlock()
}

// pop waits for a part. It returns false when there will be none any more.
func (q *queue) pop() (part, bool) {
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.wake == nil {
		q.wake = sync.NewCond(&q.lock)
	}
	for len(q.parts) == 0 && q.busy > 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.parts) == 0 || q.closed {
		return part{}, false
	}
	last := len(q.parts) - 1
	p := q.parts[last]
	q.parts[last] = part{}
	q.parts = q.parts[:last]
	q.busy++
	return p, true
}

// done ends the work on a part that was popped.
func (q *queue) done() {
	q.lock.Lock()
	q.busy--
	if q.busy == 0 && len(q.parts) == 0 && q.wake != nil {
		q.wake.Broadcast()
	}
	q.lock.Unlock()
}

// close lets everybody go home with what they have.
func (q *queue) close() {
	q.lock.Lock()
	q.closed = true
	if q.wake != nil {
		q.wake.Broadcast()
	}
	q.lock.Unlock()
}
