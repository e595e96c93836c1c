// Package admission decides which activities a worker takes, and when, so that the host
// can hold what it has taken and that storage never waits for tools.
//
// # What there is to decide
//
// A worker has slots for tools (MAX_CONCURRENT_ACTIVITIES), which may run for hours, and
// slots of their own for the storage activities and what ends a run beside them
// (WORKER_STORAGE_SLOTS), which take seconds. Both kinds come on one task queue, and for
// one host's workspaces on that host's: callers in any language say no more than a name.
// Temporal's SDK reserves a slot before it polls, and learns the activity's type from the
// poll. So a worker that stops to poll when its tools' slots are taken starves get_target
// and cleanup_cache behind them; one that goes on gets tools that it cannot run.
//
// # What was weighed
//
//   - A queue for storage that every caller has to name, with pollers of its own, is exact.
//     It is there for those who choose it (WORKER_SERVE=storage). But whoever calls by name
//     on the one queue, as workflows written for FuzzForge do, would have it as before.
//   - A tool beyond its share may wait inside of the worker that got it. Its start-to-close
//     time runs meanwhile, so that a fuzzer which waited for an hour has an hour less. And a
//     worker that must go on polling gets all of a queue's tools, a thousand of them, which
//     no other host can have then, though it be idle.
//   - It may be failed, to be tried again later. That costs one of its attempts, of which
//     callers give two or three, and it comes back to a worker that is as full.
//
// # What is done
//
// A tool beyond its share is handed on. Temporal lets a worker change the options of an
// activity that has not ended: this one is moved to the queue {queue}-waiting, given one
// attempt more, and then failed as Busy. The server has it again, without a clock that
// runs, with all of its attempts and the details of its heartbeats. Every worker of the
// queue polls {queue}-waiting as well, while it has a slot, memory and disk for one more
// tool and not otherwise: so the first host that is free takes it, of all that there are.
// For the tools of a host's own queue these are the workers of that host. What is handed
// on keeps its order, more or less, and two that race for the last slot cost one of them
// a second turn. A full house of tools empties the queue before it of tools once, a few
// milliseconds each, and then storage activities are alone there.
//
// The same is done for activities that a stopping worker interrupts: they do not pay for
// that with an attempt, so that a rolling restart fails nobody's run.
//
// A server that does not know the call (before 1.28), or that refuses it to the worker's
// credentials, leaves the second best: such a tool waits inside, alive by heartbeats and
// cancellable, as long as storage slots are left for it. When those are full of tools that
// wait, nothing more is taken until one of the tools ends: as it is without this package.
// Activities that belong to no workflow wait inside always.
//
// # What a host can hold
//
// A tool is taken while a slot is free; while the disk has room for what the least of
// tools writes, beside CACHE_MIN_FREE and what is promised to fetches, counting what could
// be evicted; while some memory is free, of the machine and of its control groups; and
// while the memory limits of the tools that run (metadata's limits) and its own fit into
// all that there is. One whose limit did not fit has its memory kept for it until it comes
// again, so that small ones do not starve it.
//
// What fails for want of room all the same (NoSpace), on a queue that other hosts poll too, is
// passed on: it has one attempt more, is soon tried again, and the host that failed leaves
// these queues to the others for some seconds, so that it does not get the same again. Its own
// queue it goes on to poll. When each host of the queue has had its turns the caller's
// attempts count, as they do where there is one host alone: then no room is to be had by
// going elsewhere, and who waits longer may find some.
//
// CACHE_MAX_SIZE does not count here. It bounds fetches, which reserve what they need and
// are refused by NoSpace with the numbers; tools work in what has been fetched. Were they
// refused as well, a cache full of workspaces that wait for their tools would stay full.
// For the same reason one tool is always taken in the end: where none runs, the first is
// let in after some seconds whatever the disk and the memory look like, for there is
// nobody else whose end could make room; other hosts had their chance by then. Storage
// activities are never refused for want of room: cleanup makes it.
package admission
