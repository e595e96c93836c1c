package dashboard

import (
	"context"
	"sync"
	"time"
)

// memo keeps an answer that costs something, so that it costs the same whoever and however
// many ask: it is found out once at a time, and is good for a while. It is safe for
// concurrent use.
type memo[T any] struct {
	load func(context.Context) (T, error)
	age  time.Duration // for how long an answer is good, at least

	mu     sync.Mutex
	answer answer[T]
	asking chan struct{} // closed when the question under way is answered; nil: none is
	stale  bool          // somebody has changed something since the question
}

type answer[T any] struct {
	value T
	err   error
	asked time.Time // zero: never
	cost  time.Duration
}

const (
	// shareOfTime is what part of the time goes into one question at most: an answer is good
	// for so many times its cost. Questions to the cache lock its accounts.
	shareOfTime = 20

	// patience is how long whoever waits is kept waiting for a new answer where there is an
	// old one.
	patience = 700 * time.Millisecond

	// loadTimeout bounds a question, whoever has stopped to wait for it.
	loadTimeout = 30 * time.Second
)

func newMemo[T any](age time.Duration, load func(context.Context) (T, error)) *memo[T] {
	return &memo[T]{age: age, load: load}
}

// get returns the answer. Its error is the question's, or ctx's.
func (m *memo[T]) get(ctx context.Context) (T, error) {
	m.mu.Lock()
	for m.asking != nil && m.stale { // asked before the change: that answer is of no use
		done := m.asking
		m.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
		m.mu.Lock()
	}
	if m.fresh() {
		defer m.mu.Unlock()
		return m.answer.value, m.answer.err
	}
	if m.asking == nil {
		m.asking, m.stale = make(chan struct{}), false
		go m.ask(m.asking) // for all who wait, also when the first of them leaves
	}
	done, old := m.asking, m.answer
	m.mu.Unlock()

	enough := make(<-chan time.Time)
	if !old.asked.IsZero() && old.err == nil {
		enough = time.After(patience)
	}
	select {
	case <-done:
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.answer.value, m.answer.err
	case <-enough:
		return old.value, nil
	case <-ctx.Done():
		return old.value, context.Cause(ctx)
	}
}

// fresh reports whether the answer is good. Who calls has mu.
func (m *memo[T]) fresh() bool {
	a := m.answer
	return !a.asked.IsZero() && !m.stale && time.Since(a.asked) < max(m.age, shareOfTime*a.cost)
}

func (m *memo[T]) ask(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	a := answer[T]{asked: time.Now()}
	a.value, a.err = m.load(ctx)
	a.cost = time.Since(a.asked)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer, m.asking = a, nil
	close(done)
}

// forget has the next who asks wait for a new answer: something was changed.
func (m *memo[T]) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stale, m.answer.asked = true, time.Time{}
}

// kept keeps what never changes, some of it. The zero value is ready; it is safe for
// concurrent use.
type kept[K comparable, V any] struct {
	mu  sync.Mutex
	all map[K]V
}

// mostKept bounds a kept: a few kilobytes each.
const mostKept = 2000

func (k *kept[K, V]) get(key K) (V, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.all[key]
	return v, ok
}

func (k *kept[K, V]) put(key K, v V) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil || len(k.all) >= mostKept {
		k.all = map[K]V{} // what people look at is asked for again
	}
	k.all[key] = v
}
