package workspace

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// CowChoice says how copy-on-write workspaces are made on this cache's file system.
type CowChoice struct {
	Name   string          // of the driver that is tried first
	Usable []string        // every driver that may be used, the best first
	Why    error           // why those that would have been better are not; nil where there are none
	Probed []driver.Probed // what trying each driver found out
}

// CowDriver tries the drivers on the cache's own file system, once, and says
// which is used. The error is an InvalidArgument *cordon.Error where the setting
// requires one that does not work here.
func (c *Cache) CowDriver() (CowChoice, error) {
	f, err := c.drivers.find(c)
	choice := CowChoice{Why: f.why, Probed: f.probed}
	if err != nil {
		return choice, err
	}
	choice.Name = f.usable[0].Name()
	for _, d := range f.usable {
		choice.Usable = append(choice.Usable, d.Name())
	}
	return choice, nil
}

// drivers remembers what probing found out, for as long as the cache is open.
type drivers struct {
	setting driver.Setting

	mu    sync.Mutex
	known *found
}

// found is what probing found out.
type found struct {
	probed []driver.Probed
	usable []driver.Driver // that the setting allows, the best first
	why    error
	err    error // none may be used
}

// get returns the drivers that may be used, the best first.
func (d *drivers) get(c *Cache) ([]driver.Driver, error) {
	f, err := d.find(c)
	return f.usable, err
}

// probeTries is how often a trial that something disturbed is repeated at once.
const probeTries = 3

// find probes the drivers the first time: most commands of the command line need
// none. A process that is being started, or a container, may have a copy of the
// trial's mount for an instant; that is no reason to do without a driver for as
// long as the cache is open.
func (d *drivers) find(c *Cache) (found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known != nil {
		return *d.known, d.known.err
	}
	var f found
	for range probeTries {
		s, err := c.stage("a trial of the copy-on-write drivers")
		if err != nil {
			return found{}, diskError("probe copy-on-write drivers", c.dir, err)
		}
		f = found{probed: driver.Probe(s.root)}
		s.discard()
		f.usable, f.why, f.err = driver.Choose(d.setting, f.probed)
		if i := slices.IndexFunc(f.probed, func(p driver.Probed) bool { return outOf(p.Err) }); i >= 0 {
			if f.err != nil {
				f.err = f.probed[i].Err // try again when there is room
			}
			break
		}
		if !slices.ContainsFunc(f.probed, func(p driver.Probed) bool { return errors.Is(p.Err, driver.ErrBusy) }) {
			d.known = &f
			break
		}
	}
	return f, f.err
}

// outOf reports whether err says that a trial failed for want of something that
// may come back: disk, descriptors.
func outOf(err error) bool {
	for _, want := range []error{unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, want) {
			return true
		}
	}
	return cordon.KindOf(err) == cordon.NoSpace
}

// of returns the driver that made r's view, whether the setting allows it for new
// ones or not.
func (d *drivers) of(c *Cache, r *record) (driver.Driver, error) {
	f, err := d.find(c)
	if f.probed == nil {
		return nil, err
	}
	p := driver.ByName(f.probed, r.Driver)
	switch {
	case p == nil:
		return nil, &cordon.Error{Kind: cordon.Busy, Op: "use workspace", Name: c.abs(r.path()),
			Err: errors.New("it was made by the driver " + r.Driver + ", which this program does not know"), Fix: "use the program that made it"}
	case p.Err != nil:
		return nil, &cordon.Error{Kind: cordon.PermissionDenied, Op: "mount workspace", Name: c.abs(r.path()),
			Err: fmt.Errorf("it is a view by %s, which does not work for this process: %w", r.Driver, p.Err),
			Fix: "use a worker that may mount, as the one that made it could; or clean the workspace up, and ask again"}
	}
	return p.Driver, nil
}
