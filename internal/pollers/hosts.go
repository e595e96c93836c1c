package pollers

import (
	"slices"
	"time"
)

// Hosts returns the ids of the hosts whose workers take activities of a queue, of those
// in list who have asked since: sorted, each once.
func Hosts(list []Poller, since time.Time) (hosts []string) {
	for _, p := range list {
		if id, ours := Parse(p.Identity); ours && id.Host != "" && p.Activities && p.LastSeen.After(since) {
			hosts = append(hosts, id.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
