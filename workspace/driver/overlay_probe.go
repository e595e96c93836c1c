package driver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/internal/rmtree"
)

// probeOverlay makes a view in dir, treats it as a run and a restart of its
// container would, and takes it away. What is different from a plain directory
// here becomes a trait.
func probeOverlay(dir *os.Root) (Driver, string, error) {
	rights, err := mounts.CanMount()
	if err != nil {
		return nil, "", err
	}
	o := &Overlay{user: !rights.InitialUser, traits: Traits{NeedsBase: true, Volatile: true, Mounted: true}}
	if err := o.try(dir); err != nil {
		e := &cordon.Error{Op: "try overlay", Err: fullError(err)}
		switch {
		case errors.Is(err, fs.ErrPermission):
			e.Kind, e.Fix = cordon.PermissionDenied, mounts.FixNoRight
		case cordon.FixOf(e.Err) == "":
			e.Fix = fixFileSystem
		}
		return nil, "", e
	}
	return o, o.differs(), nil
}

// differs says for people what the traits say.
func (o *Overlay) differs() string {
	var all []string
	if o.traits.NoDirRename {
		all = append(all, "a directory of the base cannot be renamed (EXDEV; mv copies it)")
	}
	if o.traits.SplitsLinks {
		all = append(all, "writing to one of several names of a file separates it from the others")
	}
	if o.user && len(all) > 0 {
		return "in a user namespace: " + strings.Join(all, "; ")
	}
	return strings.Join(all, "; ")
}

// trialPatience is how long a trial waits for its own mount to be gone. Whoever makes a
// mount namespace in that instant, for a tool or a container, has a copy of it for as
// long as that lives or takes to throw it out; a wrong answer would hold for as long
// as the worker does.
const trialPatience = 5 * time.Second

// try does it, and leaves nothing.
func (o *Overlay) try(dir *os.Root) (err error) {
	name := "." + strings.ToLower(rand.Text())
	if err := dir.Mkdir(name, 0o700); err != nil {
		return err
	}
	trial, err := dir.OpenRoot(name)
	if err != nil {
		return errors.Join(err, dir.Remove(name))
	}
	defer trial.Close()
	defer func() { err = errors.Join(err, clearTrial(dir, name, trial)) }()

	base, err := trialBase(o, trial)
	if err != nil {
		return err
	}
	defer base.Close()
	job := Job{Base: base, Dir: trial, Name: "view"}
	ctx := context.Background() // some milliseconds, and nobody to ask for less
	if _, err := o.Create(ctx, job); err != nil {
		return err
	}
	if err := o.tryAsRun(job); err != nil {
		return err
	}
	if err := o.trySecond(job); err != nil {
		return err
	}
	if err := releaseOverlay(trial, job.Name); err != nil {
		return err
	}
	if err := o.Check(trial, job.Name); !errors.Is(err, ErrDetached) {
		return fmt.Errorf("an unmounted view is not seen to be one: %w", err)
	}
	if err := o.restore(ctx, job, trialPatience); err != nil {
		return err
	}
	return expect(trial, "view/file", "written")
}

// clearTrial removes the trial called name from dir, wherever it ended.
func clearTrial(dir *os.Root, name string, trial *os.Root) error {
	if err := releaseOverlay(trial, "view"); err != nil {
		return err
	}
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return rmtree.Remove(context.Background(), d, name)
}

func trialBase(o *Overlay, trial *os.Root) (*os.Root, error) {
	if err := o.MakeBase(trial, "base"); err != nil {
		return nil, err
	}
	base, err := trial.OpenRoot("base")
	if err != nil {
		return nil, err
	}
	err = base.Mkdir("dir", 0o755)
	for _, n := range []string{"file", "dir/inner", "one"} {
		if err == nil {
			err = base.WriteFile(n, []byte("base"), 0o644)
		}
	}
	if err == nil {
		err = base.Link("one", "two")
	}
	if err != nil {
		base.Close()
		return nil, err
	}
	return base, nil
}

// tryAsRun does to the view what runs do.
func (o *Overlay) tryAsRun(job Job) error {
	view, err := job.Dir.OpenRoot(job.Name)
	if err != nil {
		return err
	}
	defer view.Close()
	for _, n := range []string{"file", "one"} {
		if err := view.WriteFile(n, []byte("written"), 0o644); err != nil {
			return err
		}
		if err := expect(job.Base, n, "base"); err != nil {
			return err
		}
	}
	two, err := view.ReadFile("two")
	if err != nil {
		return err
	}
	o.traits.SplitsLinks = string(two) != "written"
	if err := view.Rename("dir", "moved"); errors.Is(err, unix.EXDEV) {
		o.traits.NoDirRename = true
		return view.RemoveAll("dir")
	} else if err != nil {
		return err
	}
	return expect(view, "moved/inner", "base")
}

// trySecond expects the kernel to refuse a second mount of the view. Without
// that, two containers could make each other's writes fail.
func (o *Overlay) trySecond(job Job) error {
	home, err := job.Dir.OpenRoot(overlayHome)
	if err != nil {
		return err
	}
	defer home.Close()
	base, err := job.Base.Open(".")
	if err != nil {
		return err
	}
	defer base.Close()
	if err := home.RemoveAll(volatileMark); err != nil { // which alone would be a reason to refuse
		return err
	}
	tree, err := newOverlay(base, home, o.options())
	if err == nil {
		tree.Close()
		return errors.New("the kernel mounts a live view a second time, so nothing keeps two containers from breaking it")
	}
	if !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount a live view a second time: %w", err)
	}
	return nil
}

func expect(root *os.Root, name, want string) error {
	got, err := root.ReadFile(name)
	if err == nil && string(got) != want {
		err = fmt.Errorf("%s reads %q instead of %q", name, got, want)
	}
	return err
}
