package drivertest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// slack is what a file system may take for its own book-keeping beyond what a
// driver can know of, in bytes: a view that is had without copying takes no
// more before the first write.
const slack = 1 << 20

func usage(s *stand) {
	for i := range 4 {
		s.base.write(fmt.Sprintf("big-%d", i), strings.Repeat("x", 1<<20))
	}
	for i := range 400 {
		s.base.write(fmt.Sprintf("dir-%d/file-%d", i%20, i), strings.Repeat("y", 5000))
	}
	s.freeze()
	price := s.d.Price(s.size)
	take := s.tree
	if !s.copies() && !s.traits.Mounted {
		take = s.filesystem // blocks that are shared show in no file
	}

	// Others may write to the same file system: what one attempt of several shows is true.
	const attempts = 4
	var err error
	for i := range attempts {
		var v *view
		taken := take(func() string {
			v = s.view(fmt.Sprintf("v%d", i))
			return filepath.Dir(v.dir)
		})
		if err = s.fits(taken, v.usage, price); err == nil {
			return
		}
	}
	s.Error(err)
}

// fits compares what a view took with what the driver said.
func (s *stand) fits(taken, reported, price driver.Usage) error {
	// Directories differ in size with the order in which they were filled.
	const tolerance = 64 << 10
	switch off := taken.Bytes - reported.Bytes; {
	case reported.Bytes > price.Bytes || reported.Inodes > price.Inodes:
		return fmt.Errorf("it reports %+v, and its price is %+v", reported, price)
	case s.copies() && (off < -tolerance || off > tolerance || taken.Inodes != reported.Inodes):
		return fmt.Errorf("it took %+v and reports %+v", taken, reported)
	case off > slack || taken.Inodes > reported.Inodes:
		return fmt.Errorf("it took %+v and reports only %+v", taken, reported)
	}
	return nil
}

// tree is what is allocated to the files below the directory that make returns,
// without that directory itself and what is mounted in it.
func (s *stand) tree(make func() string) driver.Usage {
	s.Helper()
	dir := make()
	var top unix.Stat_t
	s.must(unix.Stat(dir, &top))
	var u driver.Usage
	s.must(filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if st.Dev != top.Dev {
			return fs.SkipDir
		}
		u.Bytes += st.Blocks * 512 // stat(2): the unit of st_blocks
		u.Inodes++
		return nil
	}))
	return u
}

// filesystem is what the whole file system has given out for what make does,
// without the one directory that it does it in.
func (s *stand) filesystem(make func() string) driver.Usage {
	s.Helper()
	before := s.used()
	make()
	after := s.used()
	return driver.Usage{Bytes: after.Bytes - before.Bytes, Inodes: after.Inodes - before.Inodes - 1}
}

func (s *stand) used() driver.Usage {
	s.Helper()
	f, err := os.Open(s.top)
	s.must(err)
	defer f.Close()
	s.must(unix.Syncfs(int(f.Fd()))) // what was not written yet is not accounted for
	var st syscall.Statfs_t
	s.must(syscall.Fstatfs(int(f.Fd()), &st))
	return driver.Usage{Bytes: int64(st.Blocks-st.Bfree) * st.Bsize, Inodes: int64(st.Files - st.Ffree)}
}
