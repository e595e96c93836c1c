package workspace

import (
	"errors"
	"fmt"
	"sync"

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
	usable, err := c.drivers.get(c)
	choice := CowChoice{Why: c.drivers.why, Probed: c.drivers.probed}
	if err != nil {
		return choice, err
	}
	choice.Name = usable[0].Name()
	for _, d := range usable {
		choice.Usable = append(choice.Usable, d.Name())
	}
	return choice, nil
}

// drivers remembers what probing found out, for as long as the cache is open.
type drivers struct {
	setting driver.Setting

	mu     sync.Mutex
	probed []driver.Probed
	usable []driver.Driver
	why    error
	err    error
}

// get returns the drivers that may be used, the best first, and probes them the
// first time: most commands of the command line need none.
func (d *drivers) get(c *Cache) ([]driver.Driver, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.probed == nil {
		s, err := c.stage("a trial of the copy-on-write drivers")
		if err != nil {
			return nil, diskError("probe copy-on-write drivers", c.dir, err)
		}
		d.probed = driver.Probe(s.root)
		s.discard()
		d.usable, d.why, d.err = driver.Choose(d.setting, d.probed)
	}
	return d.usable, d.err
}

// of returns the driver that made r's view.
func (d *drivers) of(c *Cache, r *record) (driver.Driver, error) {
	if _, err := d.get(c); err != nil && cordon.KindOf(err) != cordon.InvalidArgument {
		return nil, err
	}
	p := driver.ByName(d.probed, r.Driver)
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
