package workspace

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// seenHolds is what a glance read, by entry. The next one of this process only asks
// the kernel what has changed since: an entry's holds are there for hours, and
// looked at every half hour. That is good enough for a glance alone, by which
// nothing ever goes.
type seenHolds map[key]seenDir

// seenDir is the directory of an entry's holds.
type seenDir struct {
	stamp     fileStamp
	holds     map[string]*hold // nobody's to change
	temporary []string
}

// fileStamp tells whether a file, or a directory's list of names, is still what it
// was: the kernel stamps whatever is done to it.
type fileStamp struct {
	dev, inode uint64
	changed    unix.Timespec
}

// stampAt returns the stamp of name itself in d; the zero value where there is none,
// or where something changed so shortly before that it may change again without
// getting another one.
func stampAt(d *os.File, name string) fileStamp {
	asked := time.Now() // the kernel's clock, whatever the cache's is
	var st unix.Stat_t
	if unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return fileStamp{}
	}
	return stampOfStat(&st, asked)
}

func stampOfStat(st *unix.Stat_t, asked time.Time) fileStamp {
	if asked.Sub(time.Unix(st.Ctim.Unix())) <= clockGrain {
		return fileStamp{}
	}
	return fileStamp{uint64(st.Dev), st.Ino, st.Ctim} //nolint:unconvert // of another width elsewhere
}

// still reports whether nothing has changed in the directory k of top, whose stamp
// is now.
func (s seenDir) still(top *os.File, now fileStamp) bool {
	if now == (fileStamp{}) || s.stamp != now {
		return false
	}
	for name, h := range s.holds {
		if h.stamp == (fileStamp{}) || stampAt(top, strings.TrimPrefix(name, holdsDir+"/")) != h.stamp {
			return false
		}
	}
	return true
}
