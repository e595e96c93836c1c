package corpus_test

import (
	"os"
	"testing"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/fuzz"
)

var _ fuzz.Corpus = (*corpus.Campaign)(nil)

func TestACampaignLeavesItsCorpusToTheNext(t *testing.T) {
	b, _ := store(t)
	dir, next := root(t), root(t)
	if err := dir.WriteFile("x", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := corpus.Open(b, name, quiet).Campaign()
	if n, err := c.Push(t.Context(), dir); err != nil || n != 1 {
		t.Errorf("Push = %d, %v", n, err)
	}
	if err := c.Replace(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if n, err := corpus.Open(b, name, quiet).Campaign().Pull(t.Context(), next); err != nil || n != 1 {
		t.Errorf("Pull = %d, %v", n, err)
	}
	want(t, stored(t, b), "x")
}

func root(t *testing.T) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
