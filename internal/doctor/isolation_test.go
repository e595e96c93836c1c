package doctor_test

import (
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/doctor"
)

func TestIsolation(t *testing.T) {
	vars := map[string]string{"CACHE_DIR": t.TempDir()}
	r := one(t, env(t, vars), "isolation")
	if r.Status == doctor.Fail || !strings.Contains(r.Found, "tier ") {
		t.Errorf("where nothing is required: %+v", r)
	}
}

func TestIsolationThatIsRequired(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	vars := map[string]string{"CACHE_DIR": t.TempDir(), "CORDON_MIN_ISOLATION": "full"}
	want(t, one(t, env(t, vars), "isolation"), doctor.Fail, `"full" is required`, "own-user", "CORDON_MIN_ISOLATION")
}
