package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/sandbox/internal/box"
)

// self is the program that is run again as the init.
const self = "/proc/self/exe"

// Options say what New is to use.
type Options struct {
	// MinTier is the least that will do (CORDON_MIN_ISOLATION); "" is None. It holds
	// for what the host can, and for each command again.
	MinTier Tier

	// StateDir is a directory for the lock by which users are leased. All that run
	// tools on one host should name the same. "": /run/cordon, or where that cannot be
	// made (in a container with a read-only root) cordon-run in the directory for temporary files.
	StateDir string

	Logger *slog.Logger // nil: discarded

	// Observe, if not nil, is told that a command begins to run in a tier, in the context
	// that Start got, and what it returns how that ended. Both must return at once.
	Observe func(context.Context, Tier) (ended func(Result))

	only Tier // for tests: this one and none other
}

// Sandbox runs commands confined as well as this host can. It is safe for concurrent use.
type Sandbox struct {
	min    Tier
	watch  func(context.Context, Tier) func(Result) // or nil
	log    *slog.Logger
	report Report

	users    *users // nil where there are none
	rootless bool   // that tier works, whatever the best one is
	groups   controllers
	mappings mappings
}

// New finds out by doing what this host can, and refuses where that is less than
// MinTier: with an InvalidArgument *cordon.Error that says what is missing.
func New(o Options) (*Sandbox, error) {
	s := &Sandbox{min: cmp.Or(o.MinTier, None), watch: o.Observe, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}
	if _, err := ParseTier(string(s.min)); err != nil {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "open sandbox", Err: err}
	}
	var why []string
	tier := s.probe(o, &why)
	s.report = s.promises(tier, strings.Join(why, "; "))
	if !tier.AtLeast(s.min) {
		return nil, tooLittle("open sandbox", "", s.min, s.report)
	}
	return s, nil
}

// Report says what this host can. A command's own report may say less.
func (s *Sandbox) Report() Report { return s.report.clone() }

func tooLittle(op, name string, least Tier, r Report) error {
	lacks := make([]string, len(r.Missing))
	for i, m := range r.Missing {
		lacks[i] = m.String()
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: name,
		Err: fmt.Errorf("isolation of tier %q is required, and this is %q: missing are %s", least, r.Tier, strings.Join(lacks, ", ")),
		Fix: "give the worker what is missing (docs/confinement.md says what each tier needs), or lower CORDON_MIN_ISOLATION"}
}

// probeTime is how long trying out a tier may take.
const probeTime = 10 * time.Second

// probe returns the best tier that works, and collects why better ones do not.
func (s *Sandbox) probe(o Options, why *[]string) Tier {
	if o.only != "" {
		*why = append(*why, "not asked for")
	}
	allowed := func(t Tier) bool { return o.only == "" || o.only == t }
	s.groups = findControllers()
	if os.Geteuid() == 0 {
		var err error
		if s.users, err = openUsers(o.StateDir); err != nil {
			*why = append(*why, fmt.Sprintf("no user for a run: %v", err))
		}
	} else {
		*why = append(*why, "tier full needs root")
	}
	works := func(t Tier) bool {
		err := s.try(t)
		if err != nil {
			*why = append(*why, fmt.Sprintf("tier %s: %v", t, err))
			s.log.Debug("a tier of isolation does not work here", "tier", t, "error", err)
		}
		return err == nil
	}
	s.rootless = (allowed(Full) || allowed(Rootless)) && works(Rootless)
	switch {
	case s.users != nil && allowed(Full) && works(Full):
		return Full
	case s.rootless && allowed(Rootless):
		return Rootless
	case !allowed(Landlock):
		return None
	case box.LandlockVersion() == 0:
		*why = append(*why, "this kernel has no Landlock")
		return None
	case s.users == nil:
		// Only another user than the owner of the files is kept from changing their
		// modes, times and attributes by Landlock.
		*why = append(*why, "tier landlock needs a user for the run that is not the cache's owner")
		return None
	case !works(Landlock):
		return None
	}
	return Landlock
}

// try builds a sandbox of the tier with nothing in it.
func (s *Sandbox) try(t Tier) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	p, err := s.begin(ctx, t, Command{Dir: "/"})
	if err != nil {
		var e *cordon.Error
		if errors.As(err, &e) && e.Err != nil {
			return e.Err
		}
		return err
	}
	_, err = p.Wait()
	return err
}

// promises says what a tier promises on this host, and why the rest is missing.
func (s *Sandbox) promises(t Tier, why string) Report {
	r := Report{Tier: t, Enforced: t != None}
	why = cmp.Or(why, "not in this tier")
	for _, p := range confinement {
		r.keep(p)
	}
	switch t {
	case Rootless:
		r.lose(OwnUser, cmp.Or(why, "one user for all"))
	case Landlock, None:
		for _, p := range []Promise{View, Processes, IPC, Network} {
			r.lose(p, why)
		}
		if t == None {
			r.lose(ReadOnly, why)
			r.lose(OwnUser, why)
		}
		r.lose(Death, "a tool that kills its init first is not found again: "+why)
	}
	if !box.HasSeccomp() {
		r.lose(Kernel, "this kernel has no seccomp filters")
		r.lose(Privileges, "this kernel has no seccomp filters")
	}
	for _, p := range []Promise{LimitMemory, LimitProcesses, LimitCPU, LimitTime, LimitBytes, LimitInodes} {
		r.keep(p)
	}
	if _, ok := s.groups.dirs["cpu"]; !ok {
		r.lose(LimitCPU, s.groups.why)
	}
	// The resource limit counts where a user namespace has but one user, and the kernel
	// exempts root from it.
	if _, ok := s.groups.dirs["pids"]; !ok && (t != Rootless || os.Geteuid() == 0) {
		r.lose(LimitProcesses, s.groups.why)
	}
	return r
}
