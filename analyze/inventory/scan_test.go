package inventory

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
)

func TestKindsMatchTheirExamples(t *testing.T) {
	seen := make(map[string]bool)
	for i := range Kinds() {
		k := &Kinds()[i]
		t.Run(k.ID, func(t *testing.T) {
			if seen[k.ID] || k.Title == "" || k.Severity == "" || k.Description == "" || k.Recommendation == "" || k.CWE == "" || len(k.Yes) == 0 || len(k.No) == 0 {
				t.Error("incomplete, or its id is taken")
			}
			seen[k.ID] = true
			is := func(e Example) bool {
				return k.is(analyze.File{Path: e.Path, Size: max(e.Size, int64(len(e.Content)))}, func() []byte { return []byte(e.Content) })
			}
			for _, e := range k.Yes {
				if !is(e) {
					t.Errorf("%s should match", e.Path)
				}
			}
			for _, e := range k.No {
				if is(e) {
					t.Errorf("%s should not match", e.Path)
				}
			}
		})
	}
}

func TestATreeIsCountedAndItsSensitiveFilesAreFoundWithoutTheirContent(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"src/a.py": "x", "src/b.py": "yy", "web/app.ts": "z", "node_modules/m/i.js": "1", "README.md": "# r", "data.xyz": strings.Repeat("d", 5000),
		".env": "DB_PASSWORD=tigertiger\n", "conf/.env.example": "DB_PASSWORD=tigertiger\n", "keys/id_rsa": "-----BEGIN RSA PRIVATE KEY-----\nsesame\n",
		".git/config": "[remote \"origin\"]\n\turl = https://me:tigertiger@example.com/x.git\n",
	}
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"id_rsa": "keys/id_rsa", "out": "/etc"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "id_dsa"), 0o644); err != nil {
		t.Fatal(err)
	}

	inv, res, err := Scan(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if inv.Files != 9 || inv.Links != 2 || inv.Vendored != 1 || inv.GitRepos != 1 || inv.Largest[0] != (Large{"data.xyz", 5000}) {
		t.Errorf("%+v", inv)
	}
	if inv.Languages[0].Language != "other" && inv.Languages[0].Language != analyze.Python {
		t.Errorf("languages %+v", inv.Languages)
	}
	var got []string
	for _, f := range res.Findings {
		got = append(got, f.RuleID+" "+f.FilePath)
	}
	want := "sensitive-private-key keys/id_rsa, sensitive-dotenv .env, sensitive-git-remote .git/config"
	if strings.Join(got, ", ") != want {
		t.Errorf("found %v, want %s", got, want)
	}
	body, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"tigertiger", "sesame"} {
		if strings.Contains(string(body), secret) {
			t.Errorf("%s is in the result", secret)
		}
	}
}

func TestAMissingDirectoryIsAnInvalidArgument(t *testing.T) {
	if _, _, err := Scan(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "none")}); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Error(err)
	}
}

// What is listed travels through the history of a run, where room is short.
func TestLongPathsAreListedCut(t *testing.T) {
	list := &analyze.Listing{Files: []analyze.File{{Path: strings.Repeat("é/", 2000), Size: 1}, {Path: "short", Size: 0}}}
	got := count(list).Largest
	if len(got) != 2 || len(got[0].Path) > maxShownPath+len("…") || !utf8.ValidString(got[0].Path) || got[1].Path != "short" {
		t.Errorf("%v", got)
	}
}
