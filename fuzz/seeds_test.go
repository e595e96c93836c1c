package fuzz_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
)

// zipOf makes an archive of files, and of what is no seed.
func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name string, mode fs.FileMode, data string) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		add(name, 0o644, data)
	}
	add("dir/", fs.ModeDir|0o755, "")
	add("link", fs.ModeSymlink|0o777, "/etc/passwd")
	add("large", 0o644, strings.Repeat("x", 1<<20+1))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSeedsInZipArchives(t *testing.T) {
	var inputs []string
	c, _, _ := stage(t, func(_ context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
		list, err := os.ReadDir(s.Corpus)
		if err != nil {
			t.Error(err)
		}
		for _, e := range list {
			b, err := os.ReadFile(filepath.Join(s.Corpus, e.Name()))
			if err != nil {
				t.Error(err)
			}
			inputs = append(inputs, string(b))
		}
		return fuzz.Ended{}, nil
	})
	ws := strings.TrimSuffix(c.Place.Build(), filepath.Join(fuzz.WorkDir, "script", "build"))
	for name, data := range map[string][]byte{
		"fuzz/parse_seed_corpus.zip": zipOf(t, map[string]string{"one": "first", "dir/../../two": "second"}),
		"parse_seed_corpus.zip":      []byte("PK, but no archive"),
	} {
		file := filepath.Join(ws, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, c)
	if got := strings.Join(inputs, ","); got != "first,second" && got != "second,first" {
		t.Errorf("the corpus has %q", inputs)
	}
}
