package fuzz_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

// salvaged salvages c's place, which must end whatever lies there.
func salvaged(t *testing.T, c *fuzz.Campaign, s *shelf) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return fuzz.Salvage(ctx, c.Place, c.Harness, s, s)
}

func artifactsOf(c *fuzz.Campaign) string {
	return filepath.Join(filepath.Dir(c.Place.Build()), "harnesses", "parse", "artifacts")
}

func TestSalvageEndsWithWhatAToolHasMadeUnreadable(t *testing.T) {
	c, _, s := stage(t, nil)
	for i := range 10_000 { // as many as are looked at in one go
		f, err := os.Create(filepath.Join(artifactsOf(c), fmt.Sprintf("crash-%05d", i)))
		if err == nil {
			err = f.Truncate(65 << 20) // sparse, and larger than an input may be
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	if err := os.WriteFile(filepath.Join(artifactsOf(c), "crash-z"), []byte("real"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := salvaged(t, c, s); err != nil {
		t.Fatal(err)
	}
	wantSaved(t, s, sum("real")+": real")
}

func TestSalvageFindsCrashesAmongWhatIsNone(t *testing.T) {
	c, _, s := stage(t, nil)
	const inputs = 10_050
	for i := range inputs {
		if err := os.WriteFile(filepath.Join(artifactsOf(c), fmt.Sprintf("crash-%05d", i)), fmt.Append(nil, i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		if err := os.Symlink("nowhere", filepath.Join(artifactsOf(c), fmt.Sprintf("link-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := salvaged(t, c, s); err != nil {
		t.Fatal(err)
	}
	if n := len(s.have()); n != inputs {
		t.Errorf("the store has %d crashes of %d", n, inputs)
	}
}

// A tool must not keep its workspace from ever going.
func TestSalvageIsDoneWithDirectoriesThatAToolHasReplaced(t *testing.T) {
	for _, dir := range []string{"artifacts", "corpus"} {
		for how, replace := range map[string]func(name string) error{
			"a file":           func(name string) error { return os.WriteFile(name, nil, 0o644) },
			"a link out":       func(name string) error { return os.Symlink("/etc", name) },
			"a link to itself": func(name string) error { return os.Symlink(filepath.Base(name), name) },
			"a FIFO":           mkfifo,
			"nothing":          func(string) error { return nil },
		} {
			t.Run(dir+" is "+how, func(t *testing.T) {
				c, _, s := stage(t, nil)
				name := filepath.Join(filepath.Dir(artifactsOf(c)), dir)
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
				if err := replace(name); err != nil {
					t.Fatal(err)
				}
				if err := salvaged(t, c, s); err != nil {
					t.Errorf("it fails, and will each time: %v", err)
				}
			})
		}
	}
}
