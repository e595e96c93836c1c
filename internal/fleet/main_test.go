//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/server/temporaltest"

	"github.com/cordonlabs/cordon/target/miniotest"
)

// binary is the program under test: CORDON_TEST_BINARY, or built for this run.
var binary string

// server is one real Temporal for all tests of the package.
var server = sync.OnceValue(func() *temporaltest.TestServer {
	s := temporaltest.NewServer(temporaltest.WithBaseClientOptions(client.Options{Logger: quiet{}}))
	s.GetDefaultClient()
	started = true
	return s
})

var started bool

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if binary = os.Getenv("CORDON_TEST_BINARY"); binary == "" {
			dir, err := os.MkdirTemp("", "cordon-fleet-")
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
		defer func() {
			if started {
				server().Stop()
			}
		}()
		return miniotest.Main(m)
	}())
}
