package aflpp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

const (
	// slack is how long after its time an instance may go on by itself: it looks at the
	// clock between two inputs, and what it does at its start takes as long as it takes.
	slack = 10 * time.Second

	// defaultHang is AFL's own limit for an input.
	defaultHang = time.Second

	// look is how long an input that crashed is run again, to see why. It is short of the
	// five seconds in which it is to be in the store.
	look = 3 * time.Second

	// Bounds on the inputs that are run again, in one session: AFL keeps one for each
	// way to a bug, and there is no end of them where a bug is shallow. Hangs take all
	// of their time.
	maxCrashes = 500
	maxHangs   = 10

	// atOnce bounds them in one second, so that other things are told of as well.
	atOnce = 5
)

// schedules are what the instances choose their next input by: the main one has AFL's
// default, and the others differ.
var schedules = []string{"fast", "explore", "coe", "lin", "exploit", "quad", "rare"}

// session is one call of Fuzz.
type session struct {
	*binary
	fuzz.Session
	began time.Time

	top, in, sync     *scratch.Folder // AFL's directories: the second and third are in the first
	corpus, artifacts *scratch.Folder
	instances         []*instance

	seeds   map[string]string // what each file in the directory in holds, by its digest
	have    map[string]bool   // digests of the inputs in the corpus
	tried   map[string]bool   // digests of what has crashed
	crashes int               // tried, for the bounds
	hangs   int
	stats   fuzz.Stats
	fresh   bool // a bug was told of that was not known before
	seen    bool // something crashed
}

// Fuzz implements fuzz.Binary.
func (b *binary) Fuzz(ctx context.Context, s fuzz.Session) (fuzz.Ended, error) {
	if ctx.Err() != nil {
		return fuzz.Ended{}, nil
	}
	run := &session{binary: b, Session: s, began: time.Now(),
		seeds: map[string]string{}, have: map[string]bool{}, tried: map[string]bool{}}
	run.Jobs = max(run.Jobs, 1)
	if run.Runs > 0 {
		run.Jobs = int(min(int64(run.Jobs), run.Runs))
	}
	close, err := run.open()
	defer close()
	if err == nil {
		err = run.fill(ctx)
	}
	if ctx.Err() != nil {
		return fuzz.Ended{}, nil
	}
	if err != nil {
		return fuzz.Ended{}, fmt.Errorf("fuzzing %q: %w", b.harness, err)
	}
	return run.fuzz(ctx)
}

// open opens the directories and makes AFL's.
func (s *session) open() (close func(), err error) {
	var all []*scratch.Folder
	keep := func(f *scratch.Folder, e error) *scratch.Folder {
		if e != nil {
			err = errors.Join(err, e)
			return nil
		}
		all = append(all, f)
		return f
	}
	name := unique("session-")
	s.corpus = keep(scratch.Open(s.workspace, s.Corpus))
	s.artifacts = keep(scratch.Open(s.workspace, s.Artifacts))
	out := keep(scratch.Open(s.workspace, s.out))
	if err == nil {
		s.top = keep(out.Sub(name))
	}
	if err == nil {
		s.in = keep(s.top.Sub("in"))
		s.sync = keep(s.top.Sub("sync"))
	}
	return func() {
		if s.top != nil {
			out.RemoveAll(name) // what cannot be removed goes with the workspace
		}
		for _, f := range all {
			f.Close()
		}
	}, err
}

// fill gives AFL the corpus, and an input of ours that does no harm: it refuses to
// begin without one that does not crash.
func (s *session) fill(ctx context.Context) error {
	names, err := s.corpus.Names()
	if err != nil {
		return err
	}
	add := func(data []byte) error {
		hash := digest(data)
		if s.have[hash] || len(data) == 0 { // AFL has no use for an empty one
			return nil
		}
		s.have[hash] = true
		name := fmt.Sprintf("%07d", len(s.seeds))
		s.seeds[name] = hash
		return s.in.Write(name, data)
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		data, err := s.corpus.Read(name, scratch.MaxInput)
		if err != nil {
			continue // too large, or gone
		}
		if err := add(data); err != nil {
			return err
		}
	}
	s.stats.Corpus = int64(len(s.have))
	return add([]byte("\n"))
}

// fuzz runs the instances to their end.
func (s *session) fuzz(ctx context.Context) (fuzz.Ended, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i := range s.Jobs {
		inst := &instance{name: "main", output: newOutput(), handled: map[string]bool{}, waiting: map[string]bool{}}
		if i > 0 {
			inst.name = fmt.Sprintf("s%03d", i)
		}
		s.instances = append(s.instances, inst)
		wg.Go(func() {
			inst.exit, inst.err = s.start(inner, i, inst)
			if inst.err != nil || inst.exit.Code != 0 {
				cancel() // the others are of no use without it, or it was told to stop
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()

	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-tick.C:
		case <-done:
			running = false
		}
		s.harvest(ctx, !running)
		if s.fresh {
			cancel()
		}
		if running && s.Report != nil {
			s.Report(s.stats)
		}
	}
	return s.ended(ctx)
}

func (s *session) ended(ctx context.Context) (fuzz.Ended, error) {
	ended := fuzz.Ended{Stats: s.stats, Crashed: s.fresh}
	over := s.Duration > 0 && time.Since(s.began) >= s.Duration-time.Second
	if s.fresh || ctx.Err() != nil {
		return ended, nil
	}
	for _, i := range s.instances {
		switch {
		case i.err != nil:
			return ended, fmt.Errorf("fuzzing %q: %w", s.harness, i.err)
		case i.exit.Code == 0, over && i.exit.Limit == "", i.exit.Code < 0 && i.exit.Limit == "" && s.stopped(i):
		case s.seen: // of inputs that all crash
			ended.Crashed = true
			return ended, nil
		default:
			return ended, s.failed("fuzz", i.exit, i.output.last())
		}
	}
	ended.Limit = s.Duration > 0 || s.Runs > 0
	return ended, nil
}

// stopped reports whether an instance ended because another one had failed.
func (s *session) stopped(i *instance) bool {
	return slices.ContainsFunc(s.instances, func(o *instance) bool { return o != i && (o.err != nil || o.exit.Code > 0) })
}

// start runs one instance to its end.
func (s *session) start(ctx context.Context, i int, inst *instance) (fuzz.Exit, error) {
	args := []string{s.tools.fuzz, "-i", s.in.Path, "-o", s.sync.Path, "-p", schedules[i%len(schedules)]}
	if i == 0 {
		args = append(args, "-M", inst.name)
	} else {
		args = append(args, "-S", inst.name)
	}
	env := aflEnvironment()
	hang := s.InputTimeout
	if hang <= 0 {
		hang = defaultHang
	}
	// With the plus, AFL chooses a shorter one from what it sees, passes over inputs of the
	// corpus that take longer, and calls one a hang only if it has had all of this.
	ms := strconv.FormatInt(max(1, hang.Milliseconds()), 10)
	args = append(args, "-t", ms+"+")
	env = append(env, "AFL_HANG_TMOUT="+ms)
	if s.Memory > 0 && s.sanitizer == "none" {
		args = append(args, "-m", strconv.FormatInt(max(1, s.Memory>>20), 10))
	}
	if d := s.dictionary(); d != "" {
		args = append(args, "-x", d)
	}
	if s.Runs > 0 {
		share := s.Runs / int64(s.Jobs)
		if int64(i) < s.Runs%int64(s.Jobs) {
			share++
		}
		args = append(args, "-E", strconv.FormatInt(share, 10))
	}
	if s.Duration > 0 {
		args = append(args, "-V", strconv.FormatInt(int64((s.Duration+time.Second-1)/time.Second), 10))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Duration+slack)
		defer cancel()
	}
	args = append(append(args, "--", s.program.Path), s.kind.args...)
	return s.run.Run(ctx, fuzz.Command{Args: args, Dir: s.program.Dir, Env: env,
		Stdout: inst.output, Stderr: inst.output, Readable: s.tools.readable})
}

func (s *session) dictionary() string {
	if s.Dictionary != "" {
		return s.Dictionary
	}
	if d := s.program.Dictionary; scratch.IsFile(s.workspace, d) {
		return d
	}
	return ""
}

// aflEnvironment has AFL ask for nothing and go on where it would rather have another machine.
func aflEnvironment() []string {
	return []string{
		"AFL_NO_UI=1", "AFL_NO_AFFINITY=1", "AFL_SKIP_CPUFREQ=1",
		"AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1", // a core_pattern that starts a program delays them, no more
		"AFL_NO_CRASH_README=1", "AFL_FORKSRV_INIT_TMOUT=30000",
		"AFL_IGNORE_UNKNOWN_ENVS=1", "NO_COLOR=1",
	}
}

// unique makes a name for a directory.
func unique(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// digest names a file by its content.
func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data))[:32] }
