package e2e

import (
	"os"
	"testing"

	"github.com/cordonlabs/cordon/internal/programtest"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(programtest.Run(func(path string) int {
		binary = path
		return miniotest.Main(m)
	}))
}
