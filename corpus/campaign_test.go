package corpus_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/fuzz"
)

var _ fuzz.Corpus = (*corpus.Campaign)(nil)

func TestACampaignUsesDirectoriesOfItsWorkspaceAlone(t *testing.T) {
	b, _ := store(t)
	ws, outside := t.TempDir(), t.TempDir()
	dir := filepath.Join(ws, "corpus")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(ws, "link")); err != nil {
		t.Fatal(err)
	}
	c := corpus.Open(b, name, quiet).In(ws)
	if n, err := c.Push(t.Context(), dir); err != nil || n != 1 {
		t.Errorf("Push = %d, %v", n, err)
	}
	for _, bad := range []string{filepath.Join(ws, "link"), outside, filepath.Join(ws, "..")} {
		if n, err := c.Push(t.Context(), bad); err == nil {
			t.Errorf("Push of %s = %d", bad, n)
		}
		if _, err := c.Pull(t.Context(), bad); err == nil {
			t.Errorf("Pull into %s succeeded", bad)
		}
	}
	if err := c.Replace(t.Context(), dir); err != nil {
		t.Error(err)
	}
	next := filepath.Join(ws, "next")
	if err := os.Mkdir(next, 0o755); err != nil {
		t.Fatal(err)
	}
	if n, err := corpus.Open(b, name, quiet).In(ws).Pull(t.Context(), next); err != nil || n != 1 {
		t.Errorf("Pull = %d, %v", n, err)
	}
	want(t, stored(t, b), "x")
}
