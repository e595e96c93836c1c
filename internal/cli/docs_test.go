package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// commandText finds command lines in a page: in code spans, and at the start
	// of a line or after a prompt in code blocks.
	commandText = regexp.MustCompile("(?m)(?:`|^\\$ |^|^bin/|^\\$\\(|=\\$\\()cordon ((?:[a-z]+)(?: [^`\n#]*)?)")
	flagText    = regexp.MustCompile(`(?:^| )(--?[a-z][a-z-]*)`)
)

func TestEveryCommandInTheDocumentationIsReal(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	root := (&app{screen: newScreen(nil, nil, os.Getenv), getenv: os.Getenv}).rootCommand()
	seen := 0
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandText.FindAllStringSubmatch(string(text), -1) {
			line := strings.TrimSpace(m[1])
			if line == "COMMAND --help" {
				continue
			}
			seen++
			words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == ')' })
			cmd, _, err := root.Find(words)
			if err != nil || cmd == root {
				t.Errorf("%s: cordon %s: there is no such command", filepath.Base(page), line)
				continue
			}
			for _, f := range flagText.FindAllStringSubmatch(line, -1) {
				name := strings.TrimLeft(f[1], "-")
				known := cmd.Flags().Lookup(name) != nil || name == "help"
				if len(name) == 1 {
					known = cmd.Flags().ShorthandLookup(name) != nil
				}
				if !known {
					t.Errorf("%s: cordon %s: there is no %s", filepath.Base(page), line, f[1])
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were found in the pages: the test looks at the wrong things", seen)
	}
}
