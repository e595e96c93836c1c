package bom

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// legal are the files of a module that its licence asks to pass on.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([.-].*)?$`)

// Licences writes what each module asks to be passed on with a program. dirs are the
// modules' folders, by "path@version". Of a module without such a file (one in a folder of a
// repository, which has it at its top) its place is written.
func Licences(w io.Writer, dirs map[string]string) error {
	for _, module := range sortedKeys(dirs) {
		entries, err := os.ReadDir(dirs[module])
		if err != nil {
			return err
		}
		found := false
		for _, e := range entries {
			if e.IsDir() || !legal.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dirs[module], e.Name()))
			if err != nil {
				return err
			}
			found = true
			if _, err := fmt.Fprintf(w, "==== %s: %s\n\n%s\n\n", module, e.Name(), strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))); err != nil {
				return err
			}
		}
		if !found {
			if _, err := fmt.Fprintf(w, "==== %s: no file of its own; its repository has it\n\n", module); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
