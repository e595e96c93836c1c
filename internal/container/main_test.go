package container

import (
	"os"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon/internal/programtest"
)

// built is the program under test; most runs of these tests need none.
var built struct {
	once   sync.Once
	path   string
	remove func()
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.remove != nil {
		built.remove()
	}
	os.Exit(code)
}

// binary returns the program under test.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.path, built.remove, built.err = programtest.Find() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}
