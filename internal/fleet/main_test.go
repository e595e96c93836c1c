//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package fleet

import (
	"os"
	"sync"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/server/temporaltest"

	"github.com/cordonlabs/cordon/internal/programtest"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// binary is the program under test.
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
	os.Exit(programtest.Run(func(path string) int {
		binary = path
		defer func() {
			if started {
				server().Stop()
			}
		}()
		return miniotest.Main(m)
	}))
}
