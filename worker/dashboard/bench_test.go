package dashboard_test

import (
	"net/http"
	"testing"

	"github.com/cordonlabs/cordon"
)

// BenchmarkPages is how long a page takes of a cache with -entries entries, each of which a
// living run holds: of an answer that is good still, which is what all but one reader in two
// seconds get.
func BenchmarkPages(b *testing.B) {
	s := newStand(b)
	id := s.put("t", "x")
	for i := range *entries {
		s.get(id, runName(i), cordon.Isolated)
	}
	for _, path := range []string{"/", "/entries", "/entries?sort=size&q=run-0", "/api/v1/entries"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if w, body := s.fetch(http.MethodGet, path, nil); w.StatusCode != http.StatusOK {
					b.Fatal(w.Status, body)
				}
			}
		})
	}
}
