package faults_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// The targets that a worker works with.
const worked = 4

func workedTarget(i int) (id string, content tree) {
	id = fmt.Sprintf("target-%d", i)
	content = tree{"blob": random(uint64(i), 150<<10), "id": id, "d": "dir", "d/e": "dir"}
	for n := range 30 {
		content[fmt.Sprintf("d/e/file-%d", n)] = random(uint64(100*i+n), 200*n)
	}
	return id, content
}

var modes = []string{"isolated", "shared", "copy-on-write"}

// work gets and cleans up until the process is killed. The first target's
// workspaces stay, the others come and go, and are evicted. It says "works" once
// the first are there.
func (o order) work(c *workspace.Cache) error {
	ctx := context.Background()
	for _, mode := range modes {
		id, _ := workedTarget(0)
		if _, err := c.Get(ctx, request(id, "stays-"+mode, mode)); err != nil {
			return err
		}
	}
	fmt.Println("works")
	r := rand.New(rand.NewPCG(o.Seed, 0))
	for {
		id, _ := workedTarget(1 + r.IntN(worked-1))
		run := fmt.Sprintf("run-%d", r.IntN(4))
		ws, err := c.Get(ctx, request(id, run, modes[r.IntN(len(modes))]))
		if err != nil && cordon.KindOf(err) != cordon.NoSpace && cordon.KindOf(err) != cordon.InvalidArgument && cordon.KindOf(err) != cordon.Busy {
			return err
		}
		// Some stay for long enough to reach the disk.
		if err == nil && r.IntN(8) > 0 {
			if _, err := c.Cleanup(ctx, ws.Path, workspace.Caller{Run: run}); err != nil {
				return err
			}
		}
		if r.IntN(40) == 0 {
			if _, err := c.Sweep(ctx, workspace.SweepOptions{Shrink: r.IntN(2) == 0, KeepBytes: 2 << 20}); err != nil {
				return err
			}
		}
		time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
	}
}
