package gofuzz

import (
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

func TestEngine(t *testing.T) {
	fuzztest.Engine(t, Engine{}, fuzztest.Project{
		Dir: shared(t).dir,
		Harnesses: []fuzz.Harness{
			{Name: "broken.FuzzBroken", File: "broken/broken_test.go", Line: 5},
			{Name: "clean.FuzzClean", File: "clean/clean_test.go", Line: 5},
			{Name: "kinds.FuzzExit", File: "kinds/kinds_test.go", Line: 69},
			{Name: "kinds.FuzzFatal", File: "kinds/kinds_test.go", Line: 42},
			{Name: "kinds.FuzzGoroutine", File: "kinds/kinds_test.go", Line: 27},
			{Name: "kinds.FuzzHang", File: "kinds/kinds_test.go", Line: 11},
			{Name: "kinds.FuzzMemory", File: "kinds/kinds_test.go", Line: 18},
			{Name: "kinds.FuzzRace", File: "kinds/kinds_test.go", Line: 79},
			{Name: "kinds.FuzzRegression", File: "kinds/kinds_test.go", Line: 61},
			{Name: "kinds.FuzzSeed", File: "kinds/kinds_test.go", Line: 51},
			{Name: "kinds.FuzzSkipped", File: "kinds/kinds_test.go", Line: 77},
			{Name: "parser.FuzzHeader", File: "parser/parser_test.go", Line: 5},
		},
		Planted: "parser.FuzzHeader", Function: "parser.body",
		Crash:  append([]byte("HD\xf0\x00"), make([]byte, 40)...),
		Clean:  "clean.FuzzClean",
		Broken: "broken.FuzzBroken", Says: "undefinedFunction",
	})
}
