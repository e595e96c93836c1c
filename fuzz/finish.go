package fuzz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordonlabs/cordon"
)

// What the end of a campaign may take, beyond its duration. Somebody who cancels
// waits for 5 s at most (CONTRACT §7, row 13).
const (
	finalPush    = 30 * time.Second
	cancelledEnd = 2 * time.Second
	maxTriageEnd = 2 * time.Minute
	maxMerge     = 2 * time.Minute

	// closing is kept of the time until Campaign.Until for all of that: enough to look into
	// one crash and to push a corpus.
	closing = 40 * time.Second
)

// within bounds what part of the end may take, so that as much is left for the rest of it.
func (r *running) within(limit time.Duration) time.Duration {
	if r.Until.IsZero() {
		return limit
	}
	return max(min(limit, time.Until(r.Until)/2), time.Second)
}

// pushing pushes the corpus now and then, until stop is called.
func (r *running) pushing(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := r.PushEvery
		if every <= 0 {
			every = defaultPush
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.push(ctx); err != nil && ctx.Err() == nil {
				r.Log.Warn("the corpus cannot be pushed now; it is tried again", "harness", r.Harness.Name, "error", err)
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (r *running) push(ctx context.Context) error {
	dir, err := r.Place.open(corpusDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	n, err := r.Corpus.Push(ctx, dir)
	r.mu.Lock()
	r.outcome.Pushed += n
	r.mu.Unlock()
	return err
}

// finish brings everything into the store. What does not get there makes the error,
// and stays in the workspace.
func (r *running) finish(ctx context.Context) error {
	cancelled := ctx.Err() != nil
	if cancelled {
		r.keeper.triage.stop()
		var end context.CancelFunc
		ctx, end = context.WithTimeout(context.WithoutCancel(ctx), cancelledEnd)
		defer end()
	}
	r.keeper.look()
	r.keeper.settle(ctx)
	if !cancelled {
		r.stage(StageTriage)
		r.lookInto(ctx)
	}
	r.keeper.triage.stop()
	r.keeper.stop()
	if err := r.lastPush(ctx, cancelled); err != nil {
		return err
	}
	if left, _, err := r.Place.artifacts(); len(left) > 0 && err == nil {
		if why := r.keeper.why; why != nil && !retryable(why) {
			return why
		}
		return &cordon.Error{Kind: cordon.StorageUnavailable, Op: "store crashes", Name: r.Harness.Name,
			Err: fmt.Errorf("%d crash inputs are not in the store yet", len(left)), Fix: "see that the object store is well; they are stored before the workspace goes"}
	}
	return nil
}

// lookInto waits for the triage, within a fifth of the campaign's duration.
func (r *running) lookInto(ctx context.Context) {
	limit := maxTriageEnd
	if r.Duration > 0 {
		limit = min(maxTriageEnd, max(r.Duration/5, reproduceLimit))
	}
	ctx, cancel := context.WithTimeout(ctx, r.within(limit))
	defer cancel()
	r.keeper.triage.wait(ctx)
}

// lastPush pushes what is new and, unless somebody waits for the end, leaves of the
// corpus what reaches something.
func (r *running) lastPush(ctx context.Context, cancelled bool) error {
	pushing, cancel := context.WithTimeout(ctx, finalPush)
	defer cancel()
	if err := r.push(pushing); err != nil {
		return fmt.Errorf("push the corpus of %s: %w", r.Harness.Name, err)
	}
	if cancelled || r.outcome.Pushed == 0 {
		return nil
	}
	r.stage(StageMerge)
	budget := maxMerge
	if r.Duration > 0 {
		budget = min(maxMerge, max(r.Duration/5, 20*time.Second))
	}
	err := r.merge(ctx, r.within(budget))
	if err != nil && ctx.Err() == nil {
		// All of it is in the store, only with more inputs than it needs.
		r.Log.Warn("the corpus was not merged", "harness", r.Harness.Name, "error", err)
		r.note("the corpus was not merged: " + err.Error())
	}
	return nil
}

// merge leaves of the corpus in the store what reaches something.
func (r *running) merge(ctx context.Context, budget time.Duration) error {
	if err := r.Binary.Merge(ctx, r.Place.dir(mergedDir), []string{r.Place.dir(corpusDir)}, budget); err != nil {
		return err
	}
	dir, err := r.Place.open(mergedDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return r.Corpus.Replace(ctx, dir)
}

// retryable reports whether the store may take later what it did not take now.
func retryable(err error) bool {
	kind := cordon.KindOf(err)
	return kind.Retryable() || kind == "" && !errors.Is(err, context.Canceled)
}
