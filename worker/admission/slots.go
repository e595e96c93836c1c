package admission

import (
	"context"

	"go.temporal.io/sdk/worker"
)

// slots tells the SDK when to poll one queue. A permit is no more than that: who runs is
// decided when the activity's type is known, because the polls of queues on which nothing
// comes would hold all slots otherwise.
type slots struct {
	a      *Admission
	polls  func(eager bool) bool // whether something that comes now could begin
	shared bool                  // other hosts may poll the queue too
}

// open reports whether the queue is polled now.
func (s slots) open(eager bool) bool { return !(s.shared && s.a.isAside()) && s.polls(eager) }

// ReserveSlot implements worker.SlotSupplier.
func (s slots) ReserveSlot(ctx context.Context, _ worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	for !s.open(false) {
		s.a.wait(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return &worker.SlotPermit{}, nil
}

// TryReserveSlot implements worker.SlotSupplier: for activities that a workflow of this
// worker begins itself.
func (s slots) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	if s.open(true) {
		return &worker.SlotPermit{}
	}
	return nil
}

// MarkSlotUsed implements worker.SlotSupplier.
func (s slots) MarkSlotUsed(worker.SlotMarkUsedInfo) {}

// ReleaseSlot implements worker.SlotSupplier.
func (s slots) ReleaseSlot(worker.SlotReleaseInfo) {}

// MaxSlots implements worker.SlotSupplier: none is known for one queue, they all share.
func (s slots) MaxSlots() int { return 0 }

// pollsAll reports whether a queue with all kinds is polled: while a storage activity
// could begin. What is begun eagerly may be of any kind, and is never handed on without
// need: it has to have a slot of both, as far as is known without looking.
func (a *Admission) pollsAll(eager bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.noMore && a.storage+a.parked < a.opts.Storage && (!eager || a.opens())
}

// pollsTools reports whether a queue with tools alone is polled.
func (a *Admission) pollsTools(eager bool) bool {
	if !eager {
		a.look()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opens()
}

// others is how many tasks of the other kinds the SDK may work on at once: its default.
const others = 1000

func tuner(s slots) (worker.WorkerTuner, error) {
	fixed, err := worker.NewFixedSizeSlotSupplier(others)
	if err != nil {
		return nil, err
	}
	return worker.NewCompositeTuner(worker.CompositeTunerOptions{
		ActivitySlotSupplier: s,
		WorkflowSlotSupplier: fixed, LocalActivitySlotSupplier: fixed, NexusSlotSupplier: fixed, SessionActivitySlotSupplier: fixed,
	})
}
