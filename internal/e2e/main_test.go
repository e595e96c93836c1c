package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/target/miniotest"
)

// binary is the program under test: CORDON_TEST_BINARY, or built for this run.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if binary = os.Getenv("CORDON_TEST_BINARY"); binary == "" {
			dir, err := os.MkdirTemp("", "cordon-e2e-")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(dir)
			binary = filepath.Join(dir, "cordon")
			build := exec.Command("go", "build", "-o", binary, "github.com/cordonlabs/cordon/cmd/cordon")
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
				return 1
			}
		}
		return miniotest.Main(m)
	}())
}
