package driver

import (
	"os"
	"sync"
	"testing"
)

func TestOverlayMountingElsewhereLeavesTheProcessWhereItIs(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cwd := func() string {
		name, err := os.Readlink("/proc/self/cwd") // the first thread's
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	before := cwd()
	var all sync.WaitGroup
	for range 400 { // some come by on the first thread
		all.Go(func() {
			err := inDirectory(dir, func() error {
				if name, err := os.Readlink("/proc/thread-self/cwd"); err != nil || name != dir.Name() {
					t.Errorf("the thread is in %s, %v", name, err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if wd, err := os.Getwd(); err != nil || wd != before {
				t.Errorf("another goroutine is in %s, %v", wd, err)
			}
		})
	}
	all.Wait()
	if after := cwd(); after != before {
		t.Errorf("the process was in %s and is in %s", before, after)
	}
}
