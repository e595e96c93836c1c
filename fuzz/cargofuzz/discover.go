package cargofuzz

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/source"
)

// target is a harness, and where cargo finds it.
type target struct {
	fuzz.Harness
	manifest string // relative to the project, with slashes
	bin      string // its name for cargo
}

// manifest is what of a Cargo.toml matters.
type manifest struct {
	Package struct {
		Name string `toml:"name"`
	} `toml:"package"`
	Dependencies map[string]any `toml:"dependencies"`
	Bin          []struct {
		Name string `toml:"name"`
		Path string `toml:"path"`
	} `toml:"bin"`
}

// fuzzer is the crate that every harness depends on.
const fuzzer = "libfuzzer-sys"

var fuzzTarget = regexp.MustCompile(`\bfuzz_target!\s*[({\[]`)

// discover lists the project's fuzz targets, sorted by name: that of the program
// where it is one of a kind, else with its crate's before it.
func discover(ctx context.Context, dir string) ([]target, error) {
	manifests := map[string]manifest{} // by path
	lines := map[string]int{}          // of fuzz_target!, by file
	err := source.Each(ctx, dir, []string{".toml", ".rs"}, func(f source.File) {
		if path.Base(f.Path) == "Cargo.toml" {
			var m manifest
			if _, err := toml.Decode(string(f.Text), &m); err == nil && uses(m) {
				manifests[f.Path] = m
			}
			return
		}
		if path.Ext(f.Path) == ".rs" {
			if at := fuzzTarget.FindIndex(source.BareRust(f.Text)); at != nil {
				lines[f.Path] = source.Line(f.Text, at[0])
			}
		}
	})
	if err != nil {
		return nil, err
	}
	var all []target
	count := map[string]int{}
	for file, m := range manifests {
		for _, b := range m.Bin {
			from := path.Join(path.Dir(file), b.Path)
			if b.Path == "" {
				from = path.Join(path.Dir(file), "src", "bin", b.Name+".rs")
			}
			line, ok := lines[from]
			if !ok || b.Name == "" || strings.ContainsAny(b.Name, "/\\") {
				continue
			}
			all = append(all, target{fuzz.Harness{Name: b.Name, File: from, Line: line}, file, b.Name})
			count[b.Name]++
		}
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.manifest+"\x00"+a.bin, b.manifest+"\x00"+b.bin) })
	taken := map[string]bool{}
	for i := range all {
		t := &all[i]
		if count[t.bin] > 1 {
			t.Name = manifests[t.manifest].Package.Name + "-" + t.bin
		}
		if taken[t.Name] { // the crates have one name as well, or it is another's program
			t.Name = strings.ReplaceAll(path.Dir(t.manifest), "/", "-") + "-" + t.bin
		}
		taken[t.Name] = true
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// uses reports whether a crate depends on the fuzzer, by whatever name.
func uses(m manifest) bool {
	for name, d := range m.Dependencies {
		if t, ok := d.(map[string]any); ok {
			if p, ok := t["package"].(string); ok {
				name = p
			}
		}
		if strings.ReplaceAll(name, "_", "-") == fuzzer {
			return true
		}
	}
	return false
}
