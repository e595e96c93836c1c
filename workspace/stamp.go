package workspace

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// dirStamp is which directory was looked at, when it had last changed, and when
// that was asked: before its names were read.
type dirStamp struct {
	dev, inode uint64
	changed    time.Time
	asked      time.Time
}

const (
	// clockGrain is longer than any kernel lets pass between two times that it stamps
	// files with (10 ms at 100 Hz): what changed within it may have changed again
	// without another stamp.
	clockGrain = 50 * time.Millisecond

	// stampLife bounds for how long a stamp is believed: somebody may set the clock
	// back, so that another change gets the very same one.
	stampLife = 10 * time.Second
)

func stampOf(d *os.File) (dirStamp, error) {
	asked := time.Now() // the kernel's clock, whatever the cache's is
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return dirStamp{}, &os.PathError{Op: "stat", Path: d.Name(), Err: err}
	}
	return dirStamp{uint64(st.Dev), st.Ino, time.Unix(st.Mtim.Unix()), asked}, nil //nolint:unconvert // of another width elsewhere
}

// vouchesFor reports whether nothing in the directory changed between s and now.
func (s dirStamp) vouchesFor(now dirStamp) bool {
	return s.unchanged(now) &&
		s.asked.Sub(s.changed) > clockGrain && now.asked.Sub(s.asked) < stampLife
}

// same reports whether s and now are of the same directory.
func (s dirStamp) same(now dirStamp) bool { return s.dev == now.dev && s.inode == now.inode }

// unchanged reports whether now says nothing of a change since s.
func (s dirStamp) unchanged(now dirStamp) bool { return s.same(now) && s.changed.Equal(now.changed) }
