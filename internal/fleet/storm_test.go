//go:build !race

package fleet

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/fuzzsample"
)

var (
	fleetRuns = flag.Int("fleet-runs", 15, "how many runs the hosts' storm has; more than 100 make it kill and freeze until they are over")
	fleetSeed = flag.Uint64("fleet-seed", 0, "chooses alike; 0: anew")
)

// work is a run under way, and what it is to find.
type work struct {
	client.WorkflowRun
	what string
	sum  string // of a tool's run; "": it fuzzes
}

// Hosts are killed, frozen and restarted while runs in all modes work on them: every run
// ends with the right result, no workspace is left, and no crash is lost.
func TestEveryRunEndsWellWhateverHappensToHosts(t *testing.T) {
	t.Parallel()
	seed := *fleetSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-fleet-seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	long := *fleetRuns > 100

	sample := fuzzsample.Of("libfuzzer")
	project := t.TempDir()
	env := sample.Plant(t, project)
	f := newFleet(t, 4, env...)
	f.putObject("project", archiveOf(t, project))
	f.on()
	found, stop := f.collect()
	defer stop()
	sums := map[string]string{}
	for i := range 6 {
		id := fmt.Sprintf("target-%d", i)
		sums[id] = f.put(id, 200_000)
	}
	began := time.Now()
	var all []work
	begin := func(i int) {
		if i%15 == 7 {
			all = append(all, work{f.start("LibfuzzerFuzzingWorkflow", "project", sample.Harness, 0, 8), "libfuzzer", ""})
			return
		}
		id, mode := fmt.Sprintf("target-%d", random.IntN(6)), modes[i%len(modes)]
		all = append(all, work{f.start(classOf(mode), id, random.IntN(6)), mode + " " + id, sums[id]})
	}
	batch := *fleetRuns
	if long {
		batch = 20
	}
	for i := range batch {
		begin(i)
	}
	until(t, "the runs are at work", func() bool {
		n := 0
		for _, h := range f.hosts {
			n += strings.Count(h.said(), "User code downloaded")
		}
		return n >= batch/2
	})
	done := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Go(func() { f.trouble(random, long, done) })
	for i := batch; i < *fleetRuns; i++ {
		begin(i)
		time.Sleep(300 * time.Millisecond)
	}
	result := make(chan string, len(all))
	for _, w := range all {
		go func() { result <- w.check(t.Context()) }()
	}
	for range all {
		if wrong := <-result; wrong != "" {
			t.Error(wrong)
		}
	}
	close(done)
	trouble.Wait()
	for _, h := range f.hosts { // what was on one that was off goes once it is back
		if h.cmd == nil {
			h.on()
		}
	}
	f.mustBeEmpty()
	stop()
	f.mustHaveStored(all, found)
	began2, moved := time.Since(began).Round(time.Second), 0
	for _, w := range all {
		moved += f.moves(w)
	}
	t.Logf("%d runs on 4 hosts in %v; %d times one began anew on another host", len(all), began2, moved)
}

// trouble does to the hosts what happens to hosts.
func (f *fleet) trouble(random *rand.Rand, long bool, done <-chan struct{}) {
	pause := func(d time.Duration) bool {
		select {
		case <-done:
			return false
		case <-time.After(d):
			return true
		}
	}
	if !long {
		f.hosts[0].kill() // for good
		f.hosts[1].kill() // and back within the time that it is waited for
		f.hosts[1].on()
		f.hosts[2].signal(syscall.SIGSTOP) // cut off for a while
		f.hosts[3].restart()
		pause(6 * time.Second)
		f.hosts[2].signal(syscall.SIGCONT)
		return
	}
	for round := 0; ; round++ {
		h := f.hosts[random.IntN(len(f.hosts))]
		var ok bool
		switch round % 5 {
		case 0, 1: // killed, and back soon or late
			h.kill()
			ok = pause(time.Duration(random.IntN(30)) * time.Second)
			h.on()
		case 2: // cut off for longer than it is waited for
			h.signal(syscall.SIGSTOP)
			ok = pause(time.Duration(20+random.IntN(90)) * time.Second)
			h.signal(syscall.SIGCONT)
		case 3: // and for less
			h.signal(syscall.SIGSTOP)
			ok = pause(5 * time.Second)
			h.signal(syscall.SIGCONT)
		case 4: // a rolling restart
			for _, h := range f.hosts {
				h.restart()
			}
			ok = true
		}
		if !ok || !pause(time.Duration(5+random.IntN(10))*time.Second) {
			return
		}
	}
}

// check waits for the run, and says what is wrong with how it ended.
func (w work) check(ctx context.Context) string {
	var r activities.Result
	err := w.Get(ctx, &r)
	switch {
	case err != nil:
		return fmt.Sprintf("%s (%s): %v", w.GetID(), w.what, err)
	case r.Status != activities.Completed:
		return fmt.Sprintf("%s (%s) is %s: %+v", w.GetID(), w.what, r.Status, r.Steps)
	case w.sum == "" && (r.Summary.CrashesFound != 1 || len(r.Findings) != 1):
		return fmt.Sprintf("%s (%s) found %d crashes, %d findings: %+v", w.GetID(), w.what, r.Summary.CrashesFound, len(r.Findings), r.Summary)
	case w.sum != "" && (r.Tool == nil || string(r.Tool.Data) != `"`+w.sum+`"`):
		return fmt.Sprintf("%s (%s) read %+v, want %s", w.GetID(), w.what, r.Tool, w.sum)
	}
	return ""
}
