package pack_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/target/pack"
)

// many returns files with more than a hundred files below dir in it.
func many(files map[string]string, dirs ...string) map[string]string {
	for _, dir := range dirs {
		for i := range 120 {
			files[dir+"/sub/"+strconv.Itoa(i)] = "x"
		}
	}
	return files
}

// megabyte is enough to matter.
var megabyte = strings.Repeat("m", 1_000_000)

func TestWhatATargetRarelyWantsIsWeighed(t *testing.T) {
	type found struct {
		path   string
		places int
		files  int
		bytes  int64
		ignore string
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  []found
	}{
		"many files":                    {many(map[string]string{"a": ""}, "node_modules"), []found{{"node_modules", 1, 120, 120, "node_modules/"}}},
		"many bytes":                    {map[string]string{"a": "", "node_modules/x": megabyte, "node_modules/l": "-> x"}, []found{{"node_modules", 1, 2, 1_000_000, "node_modules/"}}},
		"neither":                       {map[string]string{"a": "", "node_modules/x": megabyte[1:]}, nil},
		"a name in several places":      {many(map[string]string{}, "b/node_modules", "a/node_modules"), []found{{"a/node_modules", 2, 240, 240, "node_modules/"}}},
		"one in another":                {many(map[string]string{}, "node_modules", "node_modules/a/node_modules"), []found{{"node_modules", 1, 240, 240, "node_modules/"}}},
		"a file of that name":           {map[string]string{"node_modules": megabyte}, nil},
		"a link of that name":           {many(map[string]string{"node_modules": "-> other"}, "other"), nil},
		"a name that begins so":         {many(map[string]string{}, "node_modules2"), nil},
		"what comes after one":          {many(map[string]string{"node_modules/a": "", "node_modules0/big": megabyte}), nil},
		"git's history":                 {many(map[string]string{".git/HEAD": "", ".git/refs/": ""}, ".git/objects"), []found{{".git/objects", 1, 120, 120, "/.git/objects/"}}},
		"a submodule's history":         {many(map[string]string{".git/modules/a/b/HEAD": "", ".git/modules/a/b/refs/": ""}, ".git/modules/a/b/objects"), []found{{".git/modules/a/b/objects", 1, 120, 120, "/.git/modules/a/b/objects/"}}},
		"a clone in a folder":           {many(map[string]string{"third/x/.git/HEAD": "", "third/x/.git/refs/": ""}, "third/x/.git/objects"), []found{{"third/x/.git/objects", 1, 120, 120, "/third/x/.git/objects/"}}},
		"objects that are not git's":    {many(map[string]string{"HEAD": "", "refs/": "", ".git/x/": ""}, "objects", ".git/x/objects"), nil},
		"a build of cargo":              {many(map[string]string{"Cargo.toml": ""}, "target"), []found{{"target", 1, 120, 120, "/target/"}}},
		"one of a member":               {many(map[string]string{"a/b/Cargo.toml": ""}, "a/b/target"), []found{{"a/b/target", 1, 120, 120, "/a/b/target/"}}},
		"one that says it is a cache":   {many(map[string]string{"target/CACHEDIR.TAG": ""}, "target"), []found{{"target", 1, 121, 120, "/target/"}}},
		"another target":                {many(map[string]string{"a/Cargo.toml": ""}, "target"), nil},
		"an environment":                {many(map[string]string{".venv/pyvenv.cfg": "x"}, ".venv"), []found{{".venv", 1, 121, 121, "/.venv/"}}},
		"another venv":                  {many(map[string]string{}, "venv"), nil},
		"many small files of Python's":  {many(map[string]string{}, "__pycache__"), nil},
		"much of Python's":              {map[string]string{"a/__pycache__/x": strings.Repeat(megabyte, 6), "b/__pycache__/y": strings.Repeat(megabyte, 6)}, []found{{"a/__pycache__", 2, 2, 12_000_000, "__pycache__/"}}},
		"what is left out":              {many(map[string]string{"a": "", ".cordonignore": "node_modules"}, "node_modules"), nil},
		"what is kept expressly":        {many(map[string]string{"a": "", ".cordonignore": "!node_modules/"}, "node_modules"), nil},
		"what a part is left out of":    {many(map[string]string{"node_modules/big": megabyte, ".cordonignore": "sub"}, "node_modules"), []found{{"node_modules", 1, 1, 1_000_000, "node_modules/"}}},
		"names that patterns are of":    {many(map[string]string{"[a]*?\\ #!/Cargo.toml": ""}, "[a]*?\\ #!/target"), []found{{`[a]*?\ #!/target`, 1, 120, 120, `/\[a]\*\?\\ #!/target/`}}},
		"names that no line can hold":   {many(map[string]string{"a\nb\r/Cargo.toml": ""}, "a\nb\r/target"), []found{{"a\nb\r/target", 1, 120, 120, "/a?b?/target/"}}},
		"names that are no text":        {many(map[string]string{"a\xffb\u202e/Cargo.toml": ""}, "a\xffb\u202e/target"), []found{{"a\xffb\u202e/target", 1, 120, 120, "/a?b???/target/"}}},
		"names of any language, spaces": {many(map[string]string{" größe /Cargo.toml": ""}, " größe /target"), []found{{" größe /target", 1, 120, 120, "/ größe /target/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, c.files)
			var got []found
			before := hash(t, root)
			for _, h := range before.Heavy {
				got = append(got, found{h.Path, h.Places, h.Files, h.Bytes, h.Ignore})
				if h.Why == "" {
					t.Errorf("%s has no reason", h.Path)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Fatalf("found %#v, want %#v", got, c.want)
			}
			adviceHelps(t, root, before)
		})
	}
}

// adviceHelps follows the advice of every warning, and looks whether there is
// still one, and whether anything else has gone.
func adviceHelps(t *testing.T, root string, before pack.Summary) {
	t.Helper()
	if before.Heavy == nil {
		return
	}
	f, err := os.OpenFile(filepath.Join(root, pack.IgnoreFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, files := "\n", before.Files+before.Links
	for _, h := range before.Heavy {
		lines += h.Ignore + "\n"
		files -= h.Files
	}
	if _, err := f.WriteString(lines); err != nil {
		t.Fatal(err)
	}
	after := hash(t, root)
	if after.Heavy != nil {
		t.Errorf("with %q there is still %+v", lines, after.Heavy)
	}
	if after.Files+after.Links > files+1 || after.Files+after.Links < files { // the ignore file may be new
		t.Errorf("with %q, %d files and links are left of %d; want %d", lines, after.Files+after.Links, before.Files+before.Links, files)
	}
}
