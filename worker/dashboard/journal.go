package dashboard

import (
	"context"
	"strings"

	"github.com/cordonlabs/cordon/workspace"
)

// mostEvents is how many events are kept for the pages: those of the last hours on a busy
// host, of weeks on a quiet one.
const mostEvents = 5000

// followJournal returns what reads on in the cache's journal, and has the last events. It is
// not safe for concurrent use, which a memo sees to.
func (d *Dashboard) followJournal() func(context.Context) ([]workspace.Event, error) {
	journal := d.opts.Cache.Journal()
	var all []workspace.Event
	return func(context.Context) ([]workspace.Event, error) {
		more, err := journal.Next()
		if err != nil {
			return nil, err
		}
		if n := len(all) + len(more) - mostEvents; n > 0 {
			all = append([]workspace.Event{}, all[min(n, len(all)):]...) // others read the old one
		}
		all = append(all, more...)
		return all[:len(all):len(all)], nil
	}
}

// ofRun reports whether an event is of a run's own workspace. A run's directory has its name.
func ofRun(e workspace.Event, run string) bool {
	parts := strings.SplitN(e.Path, "/", 3)
	return run != "" && len(parts) == 3 && parts[1] == run
}
