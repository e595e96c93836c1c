package box

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What is imported decides how much of the program is initialised before the init
// takes over: milliseconds at every start of a tool. The package comment says why.
func TestLittleIsImported(t *testing.T) {
	early := []string{"encoding/json", "errors", "os", "runtime", "strconv", "strings", "sync", "syscall", "time", "unsafe", "golang.org/x/sys/unix"}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			seen++
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(early, path) {
				t.Errorf("%s imports %s", f.Name(), path)
			}
		}
	}
	if seen == 0 {
		t.Error("no imports were found")
	}
}
