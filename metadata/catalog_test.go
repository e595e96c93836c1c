package metadata_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// logged collects log lines; it is safe for concurrent use.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func builtin(t *testing.T) []metadata.Workflow {
	t.Helper()
	ws, warnings, err := metadata.ParseFS(fstest.MapFS{
		"secret_detection/metadata.yaml":    {Data: []byte("name: secret_detection\nvertical: secrets\nworkspace_isolation: shared\n")},
		"security_assessment/metadata.yaml": {Data: []byte("name: security_assessment\nvertical: python\nworkspace_isolation: shared\n")},
		"security_assessment/rules.yaml":    {Data: []byte("not metadata")},
	})
	if err != nil || len(warnings) != 0 || len(ws) != 2 {
		t.Fatalf("%d workflows, %v, %v", len(ws), warnings, err)
	}
	return ws
}

func catalog(t *testing.T, dirs ...string) (*metadata.Catalog, *logged) {
	t.Helper()
	log := &logged{}
	c, err := metadata.NewCatalog(builtin(t), dirs, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c, log
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func mode(t *testing.T, c *metadata.Catalog, name string) cordon.Mode {
	t.Helper()
	w, err := c.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return w.Mode()
}

func TestCatalogLooksUpByNameAndByClass(t *testing.T) {
	c, _ := catalog(t)
	for _, name := range []string{"secret_detection", "SecretDetectionWorkflow"} {
		if w, err := c.Lookup(name); err != nil || w.Name != "secret_detection" {
			t.Errorf("Lookup(%q) = %q, %v", name, w.Name, err)
		}
	}
	_, err := c.Lookup("secret_detecton")
	var unknown *metadata.UnknownWorkflowError
	if !errors.As(err, &unknown) || unknown.Near != "secret_detection" || len(unknown.Known) != 2 {
		t.Fatalf("got %v", err)
	}
	if want := "the known ones are secret_detection, security_assessment; did you mean secret_detection?"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nshould say %q", err, want)
	}
}

// Row 20 of the table to beat: an edit of the file alone changes the mode, in a
// program that is running, even if size and time stay as they were.
func TestAnEditOfTheFileIsEnough(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "cargo_fuzzing", "metadata.yaml"), "name: cargo_fuzzing\nvertical: rust\nworkspace_isolation: isolated #\n")
	c, log := catalog(t, dir)
	if m := mode(t, c, "CargoFuzzingWorkflow"); m != cordon.Isolated {
		t.Fatalf("the mode is %q", m)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "name: cargo_fuzzing\nvertical: rust\nworkspace_isolation: shared ##xx\n")
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if m := mode(t, c, "CargoFuzzingWorkflow"); m != cordon.Shared {
		t.Errorf("after the edit the mode is %q", m)
	}
	if log.count("metadata changed the mode") != 1 {
		t.Errorf("the change was not logged once: %s", log.b.String())
	}
}

func TestABrokenEditKeepsTheLastGoodOneAndWarnsOnce(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "w", "metadata.yaml"), "name: w\nvertical: x\nworkspace_isolation: shared\n")
	c, log := catalog(t, dir)
	for _, broken := range []string{"name: w\nworkspace_isolation: sharde\n", "", "{"} {
		write(t, file, broken)
		for range 3 {
			if m := mode(t, c, "w"); m != cordon.Shared {
				t.Fatalf("with %q the mode is %q", broken, m)
			}
		}
	}
	if n := log.count("metadata cannot be read"); n != 3 {
		t.Errorf("%d warnings for 3 broken edits: %s", n, log.b.String())
	}
	write(t, file, "name: w\nvertical: x\nworkspace_isolation: isolated\n")
	if m := mode(t, c, "w"); m != cordon.Isolated {
		t.Errorf("after the repair the mode is %q", m)
	}
}

func TestAFolderThatVanishesKeepsItsWorkflows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wf")
	write(t, filepath.Join(dir, "w", "metadata.yaml"), "name: w\nvertical: x\nworkspace_isolation: shared\n")
	c, log := catalog(t, dir)
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if m := mode(t, c, "w"); m != cordon.Shared {
			t.Errorf("the mode is %q", m)
		}
	}
	if n := log.count("cannot be listed"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

func TestLaterFoldersReplaceEarlierOnesAndTheBuiltIn(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "mine", "metadata.yaml"), "name: secret_detection\nvertical: secrets\nworkspace_isolation: isolated\n")
	over := write(t, filepath.Join(second, "metadata.yaml"), "name: secret_detection\nvertical: secrets\nworkspace_isolation: copy-on-write\n")
	c, _ := catalog(t, first, second)
	// A replacement is found by the class of what it replaces, whatever its folder is called.
	if m := mode(t, c, "SecretDetectionWorkflow"); m != cordon.CopyOnWrite {
		t.Errorf("the mode is %q", m)
	}
	if err := os.Remove(over); err != nil {
		t.Fatal(err)
	}
	if m := mode(t, c, "secret_detection"); m != cordon.Isolated {
		t.Errorf("with the second file removed the mode is %q", m)
	}
	if err := os.RemoveAll(filepath.Join(first, "mine")); err != nil {
		t.Fatal(err)
	}
	if m := mode(t, c, "secret_detection"); m != cordon.Shared {
		t.Errorf("with both files removed the mode is %q", m)
	}
}

func TestAWorkflowThatIsAddedIsFound(t *testing.T) {
	dir := t.TempDir()
	c, _ := catalog(t, dir)
	write(t, filepath.Join(dir, "new_one", "metadata.yaml"), "name: new_one\nvertical: x\n")
	var names []string
	for _, w := range c.List() {
		names = append(names, w.Name)
	}
	if want := []string{"new_one", "secret_detection", "security_assessment"}; !slices.Equal(names, want) {
		t.Errorf("List gives %v", names)
	}
}

func TestNewCatalogReportsWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a", "metadata.yaml"), "name: a\nworkspace_isolation: no\n")
	b := write(t, filepath.Join(dir, "b", "metadata.yaml"), "version: 1\n")
	if err := os.Mkdir(filepath.Join(dir, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "c", "metadata.yaml")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	_, err := metadata.NewCatalog(nil, []string{dir, missing}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{a + ":2:22", b + ":1:1", pipe + ": it is no regular file", missing + ": no such file or directory; correct CORDON_WORKFLOWS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nshould say %q", err, want)
		}
	}
}

func TestLoadReadsADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my_scan")
	write(t, filepath.Join(dir, "metadata.yaml"), "name: my_scan\nvertical: x\n")
	w, _, err := metadata.Load(dir)
	if err != nil || w.Class != "MyScanWorkflow" {
		t.Errorf("got %q, %v", w.Class, err)
	}
	if _, _, err := metadata.Load(filepath.Dir(dir)); err == nil || !strings.Contains(err.Error(), "name a folder that holds a metadata.yaml") {
		t.Errorf("got %v", err)
	}
}

func TestCatalogIsSafeForConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "w", "metadata.yaml"), "name: w\nvertical: x\nworkspace_isolation: shared\n")
	c, _ := catalog(t, dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if w, err := c.Lookup("w"); err != nil || w.Mode() != cordon.Shared {
					t.Errorf("got %q, %v", w.Mode(), err)
				}
			}
		})
	}
	for i := range 50 {
		write(t, file, "name: w\nvertical: x\nworkspace_isolation: shared\n"+strings.Repeat("#", i))
	}
	wg.Wait()
}
