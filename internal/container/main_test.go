package container

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is where the program is built for the run, if no other one is named.
var built struct {
	once sync.Once
	dir  string
	path string
	out  []byte
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir) // nothing is wrong with the program if its copy stays
	}
	os.Exit(code)
}

// binary returns the program under test: CORDON_TEST_BINARY, or built for this run.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.path = os.Getenv("CORDON_TEST_BINARY"); built.path != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "cordon-container-binary-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "cordon")
		built.out, built.err = exec.Command("go", "build", "-o", built.path, "github.com/cordonlabs/cordon/cmd/cordon").CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build the program: %v\n%s", built.err, built.out)
	}
	return built.path
}
