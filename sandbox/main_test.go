package sandbox_test

import (
	"flag"
	"os"
	"testing"
)

// roleVar makes this program something else than a test.
const roleVar = "CORDON_TEST_ROLE"

var roles = map[string]func() int{
	"attacker": beAttacker,
	"worker":   beWorker,
	"glutton":  beGlutton,
	"hoarder":  beHoarder,
	"forker":   beForker,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(roles[role]())
	}
	if os.Getenv(refusedVar) != "" {
		if err := refusePivotRoot(); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	// Most of a sandbox's start is waiting for the kernel.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
