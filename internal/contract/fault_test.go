package contract_test

import (
	"cmp"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// fault is something that goes wrong between the cache and the server while a
// target is fetched.
type fault struct {
	name  string
	toxic string                      // of every connection, from the beginning
	door  func(b *bystander, v visit) // what happens to each request
	id    string                      // of the target; "bulk" if empty
	own   bool                        // a bucket of its own, in which something changes

	modes []string      // all of them if empty; isolated alone where it takes long
	want  cordon.Kind   // "": the right tree
	says  string        // in the error
	soon  time.Duration // in which it is over; half a minute if 0
}

// bystander is what a fault may need beside the request.
type bystander struct {
	t     *testing.T
	shelf shelf
	bulks [2]bulk

	mu   sync.Mutex
	puts int // of the second bulk and the first, in turn
}

// replaces puts another object in the target's place.
func (b *bystander) replaces() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if err := b.shelf.put("bulk", b.bulks[b.puts%2].tar); err != nil {
		b.t.Error(err)
	}
}

// stored is what the target is.
func (b *bystander) stored() tree {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bulks[b.puts%2].tree
}

// isolated is where a fault's effect on the fetch, not on what is done with it
// afterwards, is looked at.
var isolated = []string{"isolated"}

const (
	soon    = 15 * time.Second // at once, on a busy machine
	patient = 55 * time.Second // after the 45 s that a busy server is asked again for
)

var faults = []fault{
	{name: "each connection is cut after 300,000 bytes", toxic: cutAt(300_000), modes: isolated},
	{name: "each connection is cut inside the first part", toxic: cutAt(5<<20 + 7)},
	{name: "each connection is cut where the first part ends", toxic: cutAt(8 << 20), modes: isolated},
	{name: "each connection is cut inside the second part it is used for", toxic: cutAt(9_000_001)},
	{name: "it is slow but steady", toxic: slow, modes: isolated},
	{name: "each answer comes late", toxic: late, modes: isolated},

	{name: "parts are refused", want: cordon.PermissionDenied, says: "AccessDenied", soon: soon, door: func(_ *bystander, v visit) {
		if v.later() {
			v.answers(http.StatusForbidden, "AccessDenied")
			return
		}
		v.pass(v)
	}},
	{name: "the object is removed in the middle", own: true, want: cordon.TargetNotFound, says: "bulk/target", soon: soon, door: func(b *bystander, v visit) {
		if v.later() && v.door.once.CompareAndSwap(false, true) {
			if err := b.shelf.remove("bulk"); err != nil {
				b.t.Error(err)
			}
		}
		v.pass(v)
	}},
	{name: "the server is broken for a while", door: func(_ *bystander, v visit) {
		if v.get > 1 && v.get < 6 {
			v.answers(http.StatusInternalServerError, "InternalError")
			return
		}
		v.pass(v)
	}},
	{name: "the server is busy for a while", modes: isolated, door: func(_ *bystander, v visit) {
		if v.get > 1 && v.get < 6 {
			v.answers(http.StatusServiceUnavailable, "SlowDown")
			return
		}
		v.pass(v)
	}},
	{name: "the server is busy from the beginning, for ever", modes: isolated, want: cordon.StorageUnavailable, says: "(503)", soon: patient, door: func(_ *bystander, v visit) {
		v.answers(http.StatusServiceUnavailable, "SlowDown")
	}},
	{name: "the server is busy whenever the object is asked for, for ever", modes: isolated, want: cordon.StorageUnavailable, says: "SlowDown", soon: patient, door: func(_ *bystander, v visit) {
		if v.get > 0 {
			v.answers(http.StatusServiceUnavailable, "SlowDown")
			return
		}
		v.pass(v)
	}},

	{name: "the object is replaced between its parts", own: true, door: func(b *bystander, v visit) {
		if v.later() && v.door.once.CompareAndSwap(false, true) {
			b.replaces()
		}
		v.pass(v)
	}},
	{name: "the object is replaced while the connection for its first part is broken", own: true, door: func(b *bystander, v visit) {
		if v.get == 1 {
			v.cut(1 << 20)
		}
		if v.get > 0 && v.from < 8<<20 && v.door.once.CompareAndSwap(false, true) { // what is left of it
			b.replaces()
		}
		v.pass(v)
	}},
	{name: "the object is replaced whenever it is read", own: true, modes: []string{"isolated", "shared"}, want: cordon.Busy, says: "again and again", door: func(b *bystander, v visit) {
		if v.later() {
			b.replaces()
		}
		v.pass(v)
	}},

	{name: "a byte of a file is wrong, of an object with a SHA-256", id: "stated", want: cordon.IntegrityMismatch, says: "SHA-256", door: func(b *bystander, v visit) {
		v.spoil(b.bulks[0].header("data-12") + 1000)
	}},
	{name: "a byte of a header is wrong, of an object with a SHA-256", id: "stated", want: cordon.IntegrityMismatch, says: "SHA-256", door: func(b *bystander, v visit) {
		v.spoil(b.bulks[0].header("data-12") + 2)
	}},
	{name: "what tells an archive is wrong, of an object with a SHA-256", id: "stated", modes: isolated, want: cordon.IntegrityMismatch, says: "SHA-256", door: func(_ *bystander, v visit) {
		v.spoil(257) // where a tar file says that it is one
	}},
	{name: "a byte of a file is wrong, of an object whose ETag is its MD5", want: cordon.IntegrityMismatch, says: "MD5", door: func(b *bystander, v visit) {
		v.spoil(b.bulks[0].header("data-12") + 1000)
	}},
	{name: "a byte of a header is wrong, of an object whose ETag is its MD5", modes: isolated, want: cordon.IntegrityMismatch, says: "MD5", door: func(b *bystander, v visit) {
		v.spoil(b.bulks[0].header("data-12") + 2)
	}},
	{name: "the last byte is wrong, of an object whose ETag is its MD5", modes: isolated, want: cordon.IntegrityMismatch, says: "MD5", door: func(b *bystander, v visit) {
		v.spoil(int64(len(b.bulks[0].tar) - 1))
	}},
}

func TestAFaultEndsInTheRightTreeOrTheRightError(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if f.soon == patient && testing.Short() {
				t.Skip("waits as long as a busy server is asked again")
			}
			t.Parallel()
			ms := f.modes
			if ms == nil {
				ms = modes
			}
			for _, mode := range ms {
				t.Run(mode, func(t *testing.T) { f.strikes(t, mode) })
			}
		})
	}
}

func (f fault) strikes(t *testing.T, mode string) {
	id := cmp.Or(f.id, "bulk")
	first, second, s := bulks(t)
	b := &bystander{t: t, bulks: [2]bulk{first, second}}
	if f.own {
		s = newBucket(t, miniotest.Start(t))
		must(t, s.put(id, first.tar))
	}
	b.shelf = s
	var heals func()
	if f.door != nil {
		d := newDoor(t, s.Endpoint, func(v visit) { f.door(b, v) })
		s = s.through(d.url)
		heals = d.heals
	} else {
		n := newNetwork(t, s.Endpoint)
		n.turns(t, f.toxic)
		s = s.through(n.url)
		heals = func() { n.heals(t) }
	}

	d := newDeskOn(t, s)
	began := time.Now()
	out := d.try("get_target", id, "run-1", mode)
	if took, most := time.Since(began), cmp.Or(f.soon, 30*time.Second); took > most {
		t.Errorf("it took %v, want at most %v", took, most)
	}
	if f.want == "" {
		if out.err != nil {
			t.Fatal(out.err)
		}
		mustBeTree(t, out.path, b.stored())
		d.mustHold(published(id, "run-1", mode)...)
		return
	}
	mustFail(t, out, f.want, f.says)
	d.mustHold()

	heals()
	if f.want == cordon.TargetNotFound {
		must(t, b.shelf.put(id, first.tar))
	}
	mustBeTree(t, d.getTarget(id, "run-1", mode), b.stored())
	d.mustHold(published(id, "run-1", mode)...)
}
