// Package faults_test takes the engine through what HARDNESS §4 lists: killed at
// every system call, every system call failing, power failures, full disks. After
// each fault the same call works, nothing is left that one sweep does not take
// away, and whoever else works in the cache has noticed nothing.
//
// The engine works in a second process, the test binary run again, and is looked
// at from this one.
package faults_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	all    = flag.Bool("faults-all", false, "strike every call, not a sample of them; takes most of an hour")
	offset = flag.Int("faults-offset", 0, "begin the sample of calls that are struck so much later")
	most   = flag.Int("faults-most", 0, "strike so many calls of each operation instead of the few that take a minute together")
	images = flag.Int("faults-images", 5, "power failures for each file system")
)

const childEnv = "CORDON_TEST_FAULTS"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		var o order
		err := json.Unmarshal([]byte(text), &o)
		if err == nil {
			err = o.obey()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// sample picks a few of n things, evenly, or more of them by flag.
func sample(n, few int) (picked []int) {
	if *most > 0 {
		few = *most
	} else if testing.Short() {
		few = few / 4
	}
	step := max(1, (n+few-1)/max(few, 1))
	if *all {
		step = 1
	}
	for i := *offset % step; i < n; i += step {
		picked = append(picked, i)
	}
	return picked
}
