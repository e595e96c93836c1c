package workspace_test

import (
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestVacancy(t *testing.T) {
	const mb = 1 << 20
	b := onDisk(t, "tmpfs", 32*mb, cordon.BytesOf(16*mb))
	b.put("A", random(1, 10*mb))
	b.get("A", "R", cordon.Shared)
	if err := b.cache.Vacancy(t.Context(), 2*mb, 10); err != nil {
		t.Errorf("there is no room for little: %v", err)
	}
	mustBeKind(t, b.cache.Vacancy(t.Context(), 8*mb, 10), cordon.NoSpace, "8.39 MB", "CACHE_MIN_FREE")
	mustBeKind(t, b.cache.Vacancy(t.Context(), mb, 1<<40), cordon.NoSpace, "inodes")

	// What nobody holds is room, and stays where it is.
	b.cleanup(b.path("A/target"), "R")
	if err := b.cache.Vacancy(t.Context(), 8*mb, 10); err != nil {
		t.Errorf("what nobody holds does not count as room: %v", err)
	}
	mustExist(t, b.path("A/target"))
}
