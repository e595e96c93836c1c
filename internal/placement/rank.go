// Package placement says on which hosts a target is best kept: where its runs go, its
// tree is in the cache already.
package placement

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Rank returns the n hosts on which target belongs, best first, by rendezvous hashing:
// everybody who knows the same hosts says the same, with no state to keep; and when a
// host comes or goes, only targets that it was or is among the n for move.
func Rank(hosts []string, target string, n int) []string {
	type scored struct {
		host  string
		score uint64
	}
	all := make([]scored, 0, len(hosts))
	for _, h := range hosts {
		// A weaker hash gives neighbours in name neighbouring scores.
		sum := sha256.Sum256([]byte(h + "\x00" + target))
		all = append(all, scored{h, binary.BigEndian.Uint64(sum[:])})
	}
	slices.SortFunc(all, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.host, b.host)) })
	out := make([]string, 0, n)
	for _, s := range all[:min(n, len(all))] {
		out = append(out, s.host)
	}
	return out
}
