package doctor_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/internal/doctor"
)

func TestTools(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	vars := map[string]string{"CACHE_DIR": t.TempDir()}
	e := env(t, vars)
	want(t, one(t, e, "gosec"), doctor.Warn, "not installed", "go install")
	want(t, one(t, e, "git"), doctor.Warn, "not installed", "install git")

	for _, name := range []string{"gosec", "git"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/true\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want(t, one(t, e, "gosec"), doctor.Warn, "go command")
	want(t, one(t, e, "git"), doctor.OK, filepath.Join(bin, "git"))
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	want(t, one(t, e, "gosec"), doctor.OK, filepath.Join(bin, "gosec"))

	vars["CORDON_GOSEC"] = "/no/such/gosec" // somebody wants it
	want(t, one(t, env(t, vars), "gosec"), doctor.Fail, "CORDON_GOSEC", "/no/such/gosec")
}
