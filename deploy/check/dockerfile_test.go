package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func TestDockerfile(t *testing.T) {
	stages := stagesOf(t)
	names := []string{}
	for _, s := range stages {
		names = append(names, s.Name)
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.CopyCommand:
				if c.From != "" {
					if !slices.Contains(names, c.From) {
						t.Errorf("it copies from %q, which is no stage", c.From)
					}
					continue
				}
				for _, p := range c.SourcePaths {
					if _, err := os.Stat(filepath.Join("../..", p)); err != nil {
						t.Errorf("it copies what is not in the repository: %v", err)
					}
				}
			case *instructions.RunCommand:
				for _, word := range strings.Fields(strings.Join(c.CmdLine, " ")) {
					if dir, ok := strings.CutPrefix(word, "./cmd/"); ok {
						if _, err := os.Stat(filepath.Join("../../cmd", dir, "main.go")); err != nil {
							t.Errorf("it builds what is not in the repository: %v", err)
						}
					}
				}
			}
		}
	}
	last := stages[len(stages)-1]
	if strings.Contains(last.BaseName, "distroless") || strings.Contains(last.BaseName, "scratch") {
		t.Errorf("people look into a live cache with a shell (CONTRACT §6); %s has none", last.BaseName)
	}
}

func TestDockerfileGrammarRefusesWhatIsWrong(t *testing.T) {
	for _, text := range []string{"FROM a\nRUNN x\n", "FROM a\nCOPY x\n", "RUN x\n"} {
		parsed, err := parser.Parse(strings.NewReader(text))
		if err == nil {
			_, _, err = instructions.Parse(parsed.AST, nil)
		}
		if err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
