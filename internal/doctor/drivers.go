package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// copyOnWrite says which driver makes copy-on-write workspaces here, and why not
// a better one.
func copyOnWrite(_ context.Context, s *site) Result {
	choice, err := s.cow()
	setting := s.Config.CowDriver.String()
	if err != nil {
		if choice.Probed == nil {
			return notLooked(err)
		}
		return fail(`see what is said of the drivers below, or drop the "!" so that another one may take its place`,
			"CACHE_COW_DRIVER=%s, and that does not work here", setting)
	}
	better := skipped(s.Config.CowDriver, choice.Probed, choice.Name)
	if len(better) == 0 {
		return ok("%s (CACHE_COW_DRIVER=%s)", choice.Name, setting)
	}
	return ok("%s (CACHE_COW_DRIVER=%s), for want of %s", choice.Name, setting, strings.Join(better, ", "))
}

// skipped returns the drivers that would have been tried before name.
func skipped(set driver.Setting, probed []driver.Probed, name string) []string {
	var out []string
	for _, n := range order(set) {
		if n == name {
			break
		}
		if p := driver.ByName(probed, n); p == nil || p.Err != nil {
			out = append(out, n)
		}
	}
	return out
}

// order returns the drivers in the order in which set tries them.
func order(set driver.Setting) []string {
	wanted, _ := named(set)
	for _, n := range driver.Names {
		if !slices.Contains(wanted, n) {
			wanted = append(wanted, n)
		}
	}
	return wanted
}

// named returns the drivers that set names, and whether nothing else will do.
func named(set driver.Setting) (names []string, required bool) {
	text, required := strings.CutSuffix(set.String(), "!")
	if text == "auto" {
		return nil, false
	}
	return strings.Split(text, ","), required
}

// driverCheck looks whether one driver works on the cache's file system. One
// that does not is a failure where the setting requires it.
func driverCheck(name string) func(context.Context, *site) Result {
	return func(_ context.Context, s *site) Result {
		choice, err := s.cow()
		if choice.Probed == nil {
			return notLooked(err)
		}
		status := Warn
		if names, required := named(s.Config.CowDriver); required && err != nil && slices.Contains(names, name) {
			status = Fail
		}
		switch p := driver.ByName(choice.Probed, name); {
		case p.Err != nil:
			return because(status, p.Err, "use another driver")
		case p.Note != "":
			return ok("works; %s", p.Note)
		}
		return ok("works")
	}
}
