package driver

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Names of the drivers, the best first: the order of "auto".
var Names = []string{"overlay", "snapshot", "reflink", "copy"}

// Setting is a wish for a driver (CACHE_COW_DRIVER). The zero Setting is "auto".
type Setting struct {
	order   []string // tried first
	require bool     // nothing but order will do
}

const settingForms = `accepted are auto, overlay, snapshot, reflink, copy, or several in the order to try; with "!" at the end nothing else will do: overlay!`

// ParseSetting reads "auto", a driver's name, or several names separated by
// commas, the first that works to be used. A "!" at the end forbids falling back
// to a driver that is not named. The empty string is "auto". The error is an
// InvalidArgument *cordon.Error.
func ParseSetting(s string) (Setting, error) {
	names, require := strings.CutSuffix(strings.ToLower(strings.TrimSpace(s)), "!")
	if names == "" && !require || names == "auto" {
		return Setting{}, nil // the best that there is cannot be missing: copy works everywhere
	}
	set := Setting{require: require}
	for n := range strings.SplitSeq(names, ",") {
		n = strings.TrimSpace(n)
		if !slices.Contains(Names, n) {
			return Setting{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "choose copy-on-write driver", Name: fmt.Sprintf("%q", s),
				Err: fmt.Errorf("%q is no driver", n), Fix: settingForms}
		}
		if !slices.Contains(set.order, n) {
			set.order = append(set.order, n)
		}
	}
	return set, nil
}

// String returns the setting in the form that ParseSetting reads.
func (s Setting) String() string {
	if len(s.order) == 0 {
		return "auto"
	}
	if s.require {
		return strings.Join(s.order, ",") + "!"
	}
	return strings.Join(s.order, ",")
}

// all returns the drivers to try, in order.
func (s Setting) all() []string {
	if s.require {
		return s.order
	}
	all := slices.Clone(s.order)
	for _, n := range Names {
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// Probed is what trying one driver on one file system found out.
type Probed struct {
	Name   string
	Driver Driver // nil where it does not work
	Err    error  // why it does not work; a *cordon.Error whose Fix says what to do
	Note   string // what is different about it here, for people; may be ""
}

// Probe tries every driver in dir, a directory on the file system that they are
// to be used on, in the order of Names. What it makes there it removes.
func Probe(dir *os.Root) []Probed {
	var all []Probed
	for _, n := range Names {
		p := Probed{Name: n}
		p.Driver, p.Note, p.Err = probes[n](dir)
		all = append(all, p)
	}
	return all
}

// probes try the drivers by doing. Each returns the driver, set up for what the
// host can do, and what is special about it; or why it cannot be used.
var probes = map[string]func(dir *os.Root) (Driver, string, error){
	"snapshot": probeSnapshot,
	"reflink":  probeReflink,
	"copy":     func(*os.Root) (Driver, string, error) { return Copy{}, "", nil },
	"overlay":  probeOverlay,
}

// Choose returns the drivers that set allows and that work, the best first, and
// why each that would have been better does not. The error is an InvalidArgument
// *cordon.Error: none of those required works.
func Choose(set Setting, probed []Probed) (usable []Driver, why error, err error) {
	var reasons []error
	for _, n := range set.all() {
		switch p := ByName(probed, n); {
		case p == nil:
		case p.Err == nil:
			usable = append(usable, p.Driver)
		case len(usable) == 0:
			reasons = append(reasons, fmt.Errorf("%s: %w", n, p.Err))
		}
	}
	why = errors.Join(reasons...)
	if len(usable) == 0 {
		return nil, nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "choose copy-on-write driver", Name: fmt.Sprintf("CACHE_COW_DRIVER=%s", set),
			Err: why, Fix: `make it work as said, or drop the "!" so that another driver may take its place`}
	}
	return usable, why, nil
}

// Named returns the driver of that name as far as it can be had without probing:
// good for Check, and to tell whether its views share blocks. It returns nil for a
// name that is none.
func Named(name string) Driver { return unprobed[name] }

var unprobed = map[string]Driver{"copy": Copy{}, "overlay": &Overlay{}, "reflink": Reflink{}, "snapshot": Snapshot{}}

// ByName returns what was found out about the driver of that name, or nil.
func ByName(probed []Probed, name string) *Probed {
	for i := range probed {
		if probed[i].Name == name {
			return &probed[i]
		}
	}
	return nil
}
