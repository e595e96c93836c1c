// Package mutants_test shows that the engine's tests notice when the engine is
// wrong. Each mutant is one small change that breaks a promise; the tests that are
// named with it must fail. No production code carries them: the go command puts a
// changed copy in a file's place (-overlay).
//
// By default a few run, others every day; go test ./internal/mutants -mutants all
// runs all of them, which takes ten minutes on two cores, and prints which test caught
// each; -mutants lease runs those that have the word in their names.
package mutants_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a change of one file that tests must notice.
type mutant struct {
	name     string
	file     string // relative to the module
	old, new string // old stands in the file exactly once
	caught   by
}

// by names tests: one of them has to fail.
type by struct {
	pkg   string // relative to the module
	run   string // as -run has it
	flags []string
}

// module is where the go command runs.
const module = "../.."

// overlay writes what replaces m's file into dir, and returns what tells the go
// command so.
func (m mutant) overlay(dir string) (string, error) {
	name, err := filepath.Abs(filepath.Join(module, m.file))
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return "", fmt.Errorf("what it changes stands %d times in %s, and should once: %q", n, m.file, m.old)
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {name: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}

// Every mutant must still be one, though only a few run each day.
func TestMutantsApply(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		if _, err := m.overlay(t.TempDir()); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if names[m.name] || m.old == m.new || strings.TrimSpace(m.caught.run) == "" {
			t.Errorf("%s: has its name twice, changes nothing, or names no test", m.name)
		}
		names[m.name] = true
	}
}
