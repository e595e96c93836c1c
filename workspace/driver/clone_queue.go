package driver

import "sync"

// part is a stretch of a directory's entries: those from the offset on that one
// reading returns. A large directory is a part for one worker, while the rest of
// it is another's.
type part struct {
	dir  *dirNode
	from int64 // the directory's offset, as getdents64(2) gives it
}

// queue holds the parts that nobody works on yet. Each worker has a stack of its
// own: depth first keeps it short. Who has nothing left takes the oldest of
// another's, which is the largest and farthest away from what that one is at:
// file systems keep neighbours in one block, for which two would wait in turn.
type queue struct {
	lock   sync.Mutex
	wake   sync.Cond
	stacks [][]part // by worker
	busy   int      // parts taken and not done: they may push others
	closed bool
}

func (q *queue) open(workers int) {
	q.wake.L = &q.lock
	q.stacks = make([][]part, workers)
}

func (q *queue) push(worker int, p part) {
	q.lock.Lock()
	q.stacks[worker] = append(q.stacks[worker], p)
	q.lock.Unlock()
	q.wake.Signal()
}

// pop waits for a part. It returns false when there will be none any more.
func (q *queue) pop(worker int) (part, bool) {
	q.lock.Lock()
	defer q.lock.Unlock()
	for !q.closed {
		if own := q.stacks[worker]; len(own) > 0 {
			p := own[len(own)-1]
			q.stacks[worker] = own[:len(own)-1]
			q.busy++
			return p, true
		}
		for i, other := range q.stacks {
			if len(other) > 0 {
				q.stacks[i] = other[1:]
				q.busy++
				return other[0], true
			}
		}
		if q.busy == 0 {
			break
		}
		q.wake.Wait()
	}
	return part{}, false
}

// done ends the work on a part that was popped.
func (q *queue) done() {
	q.lock.Lock()
	q.busy--
	last := q.busy == 0
	q.lock.Unlock()
	if last {
		q.wake.Broadcast() // whoever waits sees whether anything is left
	}
}

// close lets everybody go home with what they have.
func (q *queue) close() {
	q.lock.Lock()
	q.closed = true
	q.lock.Unlock()
	q.wake.Broadcast()
}
