package contract_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// Rows whose store is reached badly.

// What is hostile comes last: by then most of the tree is there.
func TestRow04_HostileArchivesOverABadNetwork(t *testing.T) {
	t.Parallel()
	const trailer = 1024 // bytes after the last entry of a tar file, at least
	first, _, _ := bulks(t)
	s := newBucket(t, miniotest.Start(t))
	must(t, s.put("bulk", slices.Concat(first.tar[:len(first.tar)-trailer], tarOf(t, entry{name: "../escape", body: "x"}))))
	n := newNetwork(t, s.Endpoint)
	n.turns(t, cutAt(5<<20+7))
	d := newDeskOn(t, s.through(n.url))
	for _, mode := range modes {
		mustFail(t, d.try("get_target", "bulk", "run-1", mode), cordon.ArchiveRejected, "../escape")
		d.mustHold()
	}
	mustNotExist(t, filepath.Join(d.top, "escape"))
}

func TestRow14_TargetOrBucketMissingAtABusyServer(t *testing.T) {
	t.Parallel()
	s := newBucket(t, miniotest.Start(t))
	for _, s := range []shelf{s, s.elsewhere()} {
		for _, mode := range modes {
			door := newDoor(t, s.Endpoint, func(v visit) {
				if v.door.once.CompareAndSwap(false, true) {
					v.answers(http.StatusServiceUnavailable, "SlowDown")
					return
				}
				v.pass(v)
			})
			d := newDeskOn(t, s.through(door.url))
			mustFail(t, d.try("get_target", "missing", "run-1", mode), cordon.TargetNotFound, "missing", s.Bucket)
			d.mustHold()
		}
	}
}

// Rows 6 and 17.
func TestRow17_SeveralProcessesOneDownloadOverABadNetwork(t *testing.T) {
	t.Parallel()
	for _, mode := range modes[1:] {
		t.Run(mode, func(t *testing.T) {
			s := newBucket(t, miniotest.Start(t))
			must(t, s.put("T", large.tarball(t)))
			n := newNetwork(t, s.Endpoint)
			n.turns(t, cutAt(1_000_000))
			d := newDeskOn(t, s.through(n.url))
			if n := d.processes(4, 3, "T", mode, large); n != 1 {
				t.Errorf("%d downloads, want 1", n)
			}
		})
	}
}
