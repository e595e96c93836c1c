package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/workspace"
)

// reproduceLimit is what running an input once may take. Building is not in it.
const reproduceLimit = time.Minute

// cleanupTime is what cleaning up after an interruption may take.
const cleanupTime = 10 * time.Second

func (a *app) crashesRepro() *cobra.Command {
	var p places
	var r repro
	var asJSON bool
	cmd := &cobra.Command{
		Use: "repro ID", Short: "Build the target again, run an input that crashes, show the stack", Args: exactly("ID"),
		Long: `Repro gets a workspace of the target that an input was found in, builds the harness with the
engine that found it, and runs the input, confined as a campaign is. The exit code is 0
if it crashes, and 1 if it does not; whether it is the same bug is said. The workspace goes
afterwards, unless --keep leaves it for a debugger.`,
		Example: "  cordon crashes repro 3f2a\n  cordon crashes repro 3f2a --target sha256-…   is it fixed in this one?",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			var err error
			if r.target != "" {
				if _, err = cordon.ParseTargetID(r.target); err != nil {
					return err
				}
			}
			if r.tries < 1 {
				return &usageError{fmt.Errorf("--tries %d: at least one is needed", r.tries), cmd.CommandPath()}
			}
			r.id = args[0]
			found, err := a.reproduce(cmd.Context(), p, r)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(found)
			} else {
				a.printReproduced(found)
			}
			if err == nil && !found.Crashed {
				err = &codeError{fmt.Errorf("the input %.16s did not crash in %s", found.Input, count(found.Tries, "run", "runs")), ExitFailure}
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&r.lineage, "lineage", "", "the bug is of this `PROJECT`")
	cmd.Flags().StringVar(&r.target, "target", "", "run it in the target of this `ID` instead of the one that it was found in")
	cmd.Flags().IntVar(&r.tries, "tries", 3, "run it `N` times at most, until it crashes")
	cmd.Flags().BoolVar(&r.keep, "keep", false, "leave the workspace with what was built, and print its path")
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

// repro is what `cordon crashes repro` is asked for.
type repro struct {
	id, lineage string
	target      string // "": the one that the input was found in
	tries       int
	keep        bool
}

// reproduced is what came of it, as --json prints it.
type reproduced struct {
	Bug       string          `json:"bug"` // that was to be reproduced
	Input     string          `json:"input_sha256"`
	Target    cordon.TargetID `json:"target_id"`
	Engine    string          `json:"engine"`
	Version   string          `json:"engine_version"`
	Tries     int             `json:"tries"`
	Crashed   bool            `json:"crashed"`
	Same      bool            `json:"same_bug"`
	Signature string          `json:"signature,omitempty"` // of the crash that was seen
	Report    *crash.Report   `json:"report,omitempty"`
	Command   []string        `json:"command,omitempty"`
	Env       []string        `json:"env,omitempty"`
	Workspace string          `json:"workspace,omitempty"` // where --keep left it
}

// reproduce builds the target of a crash anew and runs its input.
func (a *app) reproduce(ctx context.Context, p places, r repro) (reproduced, error) {
	cfg, store, crashes, err := a.openCrashes(p)
	if err != nil {
		return reproduced{}, err
	}
	bug, in, err := crashes.Get(ctx, r.id, r.lineage)
	if err != nil {
		return reproduced{}, err
	}
	data, err := crashes.Read(ctx, in)
	if err != nil {
		return reproduced{}, err
	}
	if a.fuzzers.engine == nil {
		return reproduced{}, &cordon.Error{Op: "reproduce crash", Name: bug.Signature, Err: errors.New("this program has no fuzzing engines"), Fix: "use one that is built with them"}
	}
	engine, err := a.fuzzers.engine(in.Engine)
	if err != nil {
		return reproduced{}, err
	}
	out := reproduced{Bug: bug.Signature, Input: in.SHA256, Target: in.Target, Engine: engine.Name()}
	if r.target != "" {
		if out.Target, err = cordon.ParseTargetID(r.target); err != nil {
			return out, err
		}
	}

	cache, err := a.openCache(cfg, store, a.logger(a.level(cfg, slog.LevelWarn), false))
	if err != nil {
		return out, err
	}
	defer cache.Close()
	run, err := cordon.ParseRunID("repro-" + bug.Signature + "-" + rand.Text()[:8])
	if err != nil {
		return out, err
	}
	ws, err := cache.Get(ctx, a.showProgress(workspace.Request{Target: out.Target, Run: run, Mode: cordon.Isolated}))
	a.redraw("")
	if err != nil {
		return out, err
	}
	if r.keep {
		out.Workspace = ws.Path
	} else {
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime) // after Ctrl-C, too
			defer cancel()
			if _, err := cache.Cleanup(ctx, ws.Path, workspace.Caller{Run: run.String()}); err != nil {
				a.say("%s the workspace %s stays until it expires: %s", a.paintErr(yellow, "!"), plain(ws.Path), plainLines(err.Error()))
			}
		}()
	}
	if r.target == "" && in.ETag != "" && ws.ETag != in.ETag {
		a.say("%s the target was replaced since the crash was found: this is another version of it", a.paintErr(yellow, "!"))
	}
	err = a.runInput(ctx, ws.Path, engine, in, data, r.tries, &out)
	return out, err
}

// runInput builds the harness of in in the workspace at dir and runs data.
func (a *app) runInput(ctx context.Context, dir string, engine fuzz.Engine, in crash.Input, data []byte, tries int, out *reproduced) error {
	run, done, err := a.fuzzers.confine(ctx, dir)
	if err != nil {
		return err
	}
	defer done()
	if out.Version, err = engine.Version(ctx, run); err != nil {
		return rejected(err)
	}
	if out.Version != in.EngineVersion {
		a.say("%s it was found with %s %s; this is %s", a.paintErr(yellow, "!"), plain(in.Engine), plain(in.EngineVersion), plain(out.Version))
	}
	harnesses, err := engine.Discover(ctx, dir)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(harnesses, func(h fuzz.Harness) bool { return h.Name == in.Harness.Name })
	if i < 0 {
		var names []string
		for _, h := range harnesses {
			names = append(names, h.Name)
		}
		return &cordon.Error{Kind: cordon.TargetNotFound, Op: "find harness", Name: fmt.Sprintf("%q", in.Harness.Name),
			Err: fmt.Errorf("target %s has %s of %s: %s", out.Target, count(len(names), "harness", "harnesses"), engine.Name(), strings.Join(names, ", ")), Fix: "give a target that has it, with --target"}
	}
	place := fuzz.PlaceOf(dir, engine.Name(), in.Harness.Name)
	if err := place.Make(); err != nil {
		return err
	}
	var said bytes.Buffer
	a.redraw("building " + plain(in.Harness.Name) + " …")
	binary, err := engine.Build(ctx, fuzz.Project{Dir: dir, Out: place.Build(), Runner: run, Log: &said, Sanitizer: in.Sanitizer}, harnesses[i])
	a.redraw("")
	if err != nil {
		return rejected(err)
	}
	file, err := placeInput(dir, in.SHA256, data)
	if err != nil {
		return err
	}
	for out.Tries < tries && !out.Crashed {
		out.Tries++
		got, err := binary.Reproduce(ctx, file, reproduceLimit)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !got.Crashed {
			continue
		}
		here := in.Origin
		here.Roots = []string{dir}
		report, signature := crash.Identify(here, in.Harness.Name, got.Kind, got.Log, data)
		out.Crashed, out.Signature, out.Same, out.Report = true, signature, signature == in.Signature, &report
		out.Command, out.Env = got.Command, got.Env
	}
	return nil
}

// placeInput writes data to a new file in the workspace at dir, which hostile code has
// been at, and returns its path.
func placeInput(dir, name string, data []byte) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	file := path.Join(fuzz.WorkDir, "repro-"+rand.Text()[:8]+"-"+name[:crash.SignatureLen])
	f, err := root.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return filepath.Join(dir, file), errors.Join(err, f.Close())
}

// showProgress lets req tell how far it is on a live line.
func (a *app) showProgress(req workspace.Request) workspace.Request {
	stage, b := "", (*bar)(nil)
	req.Progress = func(w workspace.Progress) {
		if w.Stage != stage {
			stage, b = w.Stage, a.newBar(plain(w.Stage), a.now)
		}
		b.update(w.Done, w.Total)
	}
	return req
}
