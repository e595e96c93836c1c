package contract_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// begun returns a desk at which run-1 has asked for the bulk, most of which has
// not arrived, and the channel on which its outcome will be.
func begun(t *testing.T, s shelf, mode string) (*desk, *network, <-chan outcome) {
	t.Helper()
	n := newNetwork(t, s.Endpoint)
	n.turns(t, slow)
	d := newDeskOn(t, s.through(n.url))
	out := d.asks("bulk", mode, 2*time.Minute)
	d.mustBeArriving(1 << 20)
	return d, n, out
}

// asks is getTarget on behalf of run-1, without waiting for the outcome.
func (d *desk) asks(id, mode string, limit time.Duration) <-chan outcome {
	out := make(chan outcome, 1)
	go func() { out <- d.tryFor(limit, "get_target", id, "run-1", mode) }()
	return out
}

func TestAStoreThatIsAwayInTheMiddleOfAFetchIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		toxic string
	}{
		{"it falls silent", silent},
		{"it resets connections", resets},
		{"it lets nothing through", cutAt(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first, _, s := bulks(t)
			d, n, out := begun(t, s, "isolated")
			n.turns(t, c.toxic)
			time.Sleep(2500 * time.Millisecond) // in which all would have arrived
			d.mustBeArriving(1 << 20)
			n.heals(t)
			mustArrive(t, d, <-out, "isolated", first)
		})
	}
	t.Run("it is killed and started again", func(t *testing.T) {
		t.Parallel()
		first, _, _ := bulks(t)
		srv := miniotest.StartOwn(t)
		s := newBucket(t, srv.Server)
		must(t, s.put("bulk", first.tar))
		d, _, out := begun(t, s, "isolated")
		srv.Kill()
		time.Sleep(500 * time.Millisecond)
		srv.Start(t)
		mustArrive(t, d, <-out, "isolated", first)
	})
}

func mustArrive(t *testing.T, d *desk, out outcome, mode string, want bulk) {
	t.Helper()
	if out.err != nil {
		t.Fatal(out.err)
	}
	mustBeTree(t, out.path, want.tree)
	d.mustHold(published("bulk", "run-1", mode)...)
	if n := d.downloads(); n != 1 {
		t.Errorf("%d downloads", n)
	}
}

// Nobody waits any more for a fetch whose attempt's time is up; it goes on, and
// the next attempt joins it (CONTRACT §1.6).
func TestAFetchOutlivesItsAttemptWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			first, _, s := bulks(t)
			n := newNetwork(t, s.Endpoint)
			n.turns(t, slow)
			d := newDeskOn(t, s.through(n.url))
			attempt := d.asks("bulk", mode, 2*time.Second)
			d.mustBeArriving(1 << 20)
			n.turns(t, silent)
			if out := <-attempt; !temporal.IsTimeoutError(errors.Unwrap(out.err)) {
				t.Fatalf("the first attempt gave %q, %v", out.path, out.err)
			}
			d.mustBeArriving(1 << 20)
			n.heals(t)
			mustArrive(t, d, d.try("get_target", "bulk", "run-1", mode), mode, first)
		})
	}
}

// The host is named in S3_ENDPOINT: whoever corrects that starts the worker again.
func TestAStoreWhoseNameIsGone(t *testing.T) {
	t.Parallel()
	first, _, s := bulks(t)
	gone := s.through("http://store.cordon.invalid:9000")
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			top := mountstest.Dir(t)
			d := newDeskIn(t, top, gone)
			began := time.Now()
			mustFail(t, d.try("get_target", "bulk", "run-1", mode), cordon.StorageUnavailable, "store.cordon.invalid", "S3_ENDPOINT")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			d.mustHold()
			back := newDeskIn(t, top, s)
			mustBeTree(t, back.getTarget("bulk", "run-1", mode), first.tree)
			back.mustHold(published("bulk", "run-1", mode)...)

			// What is complete is served without the store, and said to be perhaps old.
			again := newDeskIn(t, top, gone)
			mustBeTree(t, again.getTarget("bulk", "run-1", mode), first.tree)
			if mode == "isolated" {
				return // which another run would have to fetch
			}
			mustBeTree(t, again.getTarget("bulk", "run-2", mode), first.tree)
			if !again.logged("store.cordon.invalid") {
				t.Errorf("nothing in the log says that the store is away:\n%s", again.log)
			}
		})
	}
}

// The one test that waits for as long as users do: a minute at most.
func TestAStoreThatStaysAwayInTheMiddleOfAFetchIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	first, _, s := bulks(t)
	type call struct {
		what  string
		began time.Time
		d     *desk
		out   <-chan outcome
		heals func()
	}
	var calls []call
	for what, toxic := range map[string]string{"silent": silent, "cut": cutAt(0)} {
		d, n, out := begun(t, s, "isolated")
		n.turns(t, toxic)
		calls = append(calls, call{what, time.Now(), d, out, func() { n.heals(t) }})
	}
	door := newDoor(t, s.Endpoint, func(v visit) {
		if v.later() {
			v.answers(http.StatusServiceUnavailable, "SlowDown")
			return
		}
		v.pass(v)
	})
	d := newDeskOn(t, s.through(door.url))
	calls = append(calls, call{"busy", time.Now(), d, d.asks("bulk", "isolated", 2*time.Minute), door.heals})

	for _, c := range calls { // all of them wait already
		mustFail(t, <-c.out, cordon.StorageUnavailable, fmt.Sprintf("of %d bytes", len(first.tar)))
		if took := time.Since(c.began); took < 40*time.Second || took > 90*time.Second {
			t.Errorf("%s: it was given up after %v", c.what, took)
		}
		c.d.mustHold()
		c.heals()
		mustBeTree(t, c.d.getTarget("bulk", "run-1", "isolated"), first.tree)
		c.d.mustHold(published("bulk", "run-1", "isolated")...)
	}
}
