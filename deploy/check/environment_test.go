package check

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// drivers is what CACHE_COW_DRIVER may say, as far as snippets use it.
var drivers = regexp.MustCompile(`^(overlay|snapshot|reflink|copy)(,(overlay|snapshot|reflink|copy))*!?$`)

// checkEnvironment looks whether a worker is given what it needs, and nothing
// that no page explains.
func checkEnvironment(t *testing.T, who string, env map[string]string) {
	t.Helper()
	contract, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range env {
		if !strings.Contains(string(contract), "`"+name+"`") {
			t.Errorf("%s: %s is not in docs/contract.md", who, name)
		}
	}
	for _, name := range []string{"TEMPORAL_ADDRESS", "WORKER_VERTICAL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY", "CACHE_MAX_SIZE"} {
		if _, given := env[name]; !given {
			t.Errorf("%s: no %s", who, name)
		}
	}
	if d := env["CACHE_COW_DRIVER"]; d != "" && !drivers.MatchString(d) {
		t.Errorf("%s: CACHE_COW_DRIVER=%q", who, d)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
