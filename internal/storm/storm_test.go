package storm_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/internal/storm"
)

var (
	stormTime  = flag.Duration("storm-time", time.Minute, "how long the storm blows at least")
	stormKills = flag.Int("storm-kills", 500, "how many processes it kills at least")
	stormProcs = flag.Int("storm-procs", 8, "processes at once")
	stormSeed  = flag.Uint64("storm-seed", 0, "of its random choices; 0: another one each time")
	stormKeep  = flag.Bool("storm-keep", false, "leave the directory of a season that failed")
	stormOnly  = flag.String("storm-only", "", "the one season to run")
)

// patience is how many times as long as wanted a storm may blow until it has killed
// as many as wanted: a slow machine makes fewer, which is no failure.
const patience = 3

func TestMain(m *testing.M) {
	if os.Getenv(storm.ChildEnv) != "" {
		if err := storm.Child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hang is how long an operation may take. A disk that is busy with the gigabytes of
// somebody else keeps a rename for more than a minute.
const hang = 4 * time.Minute

func TestStorm(t *testing.T) {
	blow, kills := *stormTime, *stormKills
	if testing.Short() {
		blow, kills = 10*time.Second, 80
	}
	seed := *stormSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-storm-seed %d", seed)
	now := t // the season's test
	s := storm.New(storm.Config{
		Seed: seed, Procs: *stormProcs, Lanes: 3 * *stormProcs, Round: 50, Life: 250 * time.Millisecond, Patience: hang,
		Report: func(text string) { now.Error(text) },
	})
	t.Logf("drivers here: %s", storm.Drivers(t.TempDir()))
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience*blow)
	defer cancel()
	seasons, fs := storm.Seasons()
	for n := 0; !t.Failed() && ctx.Err() == nil && (time.Since(began) < blow || s.Kills() < kills); n++ {
		i := n % len(seasons)
		sn := seasons[i]
		if *stormOnly != "" && sn.Name != *stormOnly {
			continue
		}
		t.Run(fmt.Sprintf("%d-%s", n+1, sn.Name), func(t *testing.T) {
			now = t
			sn.Dir = directory(t, fs[i])
			s.Season(ctx, sn, uint64(n))
		})
	}
	t.Logf("%v; %v", time.Since(began).Round(time.Second), s)
}

// directory returns an empty directory on a file system of the kind fs.
func directory(t *testing.T, fs string) string {
	switch {
	case fs != "":
		dir := loopfs.New(t, fs, 512<<20)
		t.Cleanup(func() { mountstest.UnmountBelow(t, dir) })
		return dir
	case *stormKeep:
		dir, err := os.MkdirTemp("", "storm")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s was left as it is", dir)
				return
			}
			remove(t, dir)
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		return dir
	}
	dir := mountstest.Dir(t)
	t.Cleanup(func() { remove(t, dir) })
	return dir
}

// remove empties dir, which may hold what only a cache can delete: read-only
// directories, where the test is not root.
func remove(t *testing.T, dir string) {
	mountstest.UnmountBelow(t, dir)
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		err = errors.Join(err, rmtree.Remove(context.Background(), d, name))
	}
	if err != nil {
		t.Error(err)
	}
}
