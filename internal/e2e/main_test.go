package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/cordonlabs/cordon/internal/programtest"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		path, remove, err := programtest.Find()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer remove()
		binary = path
		return miniotest.Main(m)
	}())
}
