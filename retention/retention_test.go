package retention_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/retention"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

const day = 24 * time.Hour

// vault is a store, and what is in it by age.
type vault struct {
	*dir.Store
	root string
	now  time.Time
}

func newVault(t *testing.T) *vault {
	t.Helper()
	root := t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return &vault{s, root, time.Now()}
}

// put puts a blob that is days old.
func (v *vault) put(t *testing.T, key string, days int) {
	t.Helper()
	if _, err := v.PutBlob(t.Context(), key, strings.NewReader("x"), 1, target.PutBlob{}); err != nil {
		t.Fatal(err)
	}
	v.age(t, filepath.Join("fuzzing", key), days)
}

func (v *vault) age(t *testing.T, path string, days int) {
	t.Helper()
	when := v.now.Add(-time.Duration(days) * day)
	if err := os.Chtimes(filepath.Join(v.root, path), when, when); err != nil {
		t.Fatal(err)
	}
}

func (v *vault) expire(t *testing.T, ages retention.Ages) retention.Report {
	t.Helper()
	report, err := retention.Expire(t.Context(), v, v.options(ages))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (v *vault) options(ages retention.Ages) retention.Options {
	return retention.Options{Ages: ages, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return v.now }}
}

func (v *vault) keys(t *testing.T) (keys []string) {
	t.Helper()
	for info, err := range v.ListBlobs(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func TestZeroIsForEver(t *testing.T) {
	v := newVault(t)
	v.put(t, "crashes/p/1/input", 5000)
	v.put(t, "corpora/p/go/FuzzX/used", 5000)
	if _, err := v.PutResult(t.Context(), "wf", "json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	v.age(t, "results/wf/results.json", 5000)
	if report := v.expire(t, retention.Ages{}); report != (retention.Report{}) || len(v.keys(t)) != 2 {
		t.Errorf("Expire = %+v", report)
	}
}

func TestACrashIsAsOldAsTheNewestOfItsBlobs(t *testing.T) {
	v := newVault(t)
	v.put(t, "crashes/p/old/input", 91)
	v.put(t, "crashes/p/old/report/stack.json", 95)
	v.put(t, "crashes/p/seen-again/input", 300)
	v.put(t, "crashes/p/seen-again/seen/2", 89)
	v.put(t, "crashes/p/index", 300) // no crash's
	v.put(t, "crashes-other/p/old/input", 300)
	report := v.expire(t, retention.Ages{Crashes: 90 * day})
	if report.Crashes != 1 || report.Bytes != 2 {
		t.Errorf("Expire = %+v", report)
	}
	if got := v.keys(t); !slices.Equal(got, []string{"crashes-other/p/old/input", "crashes/p/index", "crashes/p/seen-again/input", "crashes/p/seen-again/seen/2"}) {
		t.Errorf("left is %q", got)
	}
}

func TestResultsGoByTheirOwnAge(t *testing.T) {
	v := newVault(t)
	for _, wf := range []string{"old", "new"} {
		for _, format := range []string{"json", "sarif"} {
			if _, err := v.PutResult(t.Context(), wf, format, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
	}
	v.age(t, "results/old/results.json", 8)
	v.age(t, "results/old/results.sarif", 6)
	if report := v.expire(t, retention.Ages{Results: 7 * day}); report.Results != 1 || report.Bytes != 2 {
		t.Errorf("Expire = %+v", report)
	}
	if _, err := v.GetResult(t.Context(), "old", "sarif"); err != nil {
		t.Error(err)
	}
}

// push makes a corpus with a version, and a pack beside it.
func (v *vault) push(t *testing.T, lineage string) {
	t.Helper()
	d := t.TempDir()
	root, err := os.OpenRoot(d)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	c := corpus.Open(v, corpus.Name{Lineage: lineage, Engine: "go", Harness: "FuzzX"}, corpus.Options{})
	for i, step := range []func() error{
		func() error { _, err := c.Push(t.Context(), root); return err },
		func() error { _, err := c.Merge(t.Context(), root); return err },
		func() error { _, err := c.Push(t.Context(), root); return err },
	} {
		if err := os.WriteFile(filepath.Join(d, fmt.Sprint(i)), fmt.Append(nil, lineage, i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

func (v *vault) ageAll(t *testing.T, prefix string, days int) {
	t.Helper()
	for info, err := range v.ListBlobs(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		v.age(t, filepath.Join("fuzzing", info.Key), days)
	}
}

func TestCorporaThatAreInUseKeepWhatARunPulls(t *testing.T) {
	v := newVault(t)
	long := strings.Repeat("a lineage with a long name ", 20)
	for _, lineage := range []string{"dead", "alive", long} {
		v.push(t, lineage)
	}
	v.ageAll(t, "corpora", 400)
	v.put(t, "corpora/alive/afl++/other/used", 10)
	v.put(t, "corpora/"+target.BlobName(long)+"/go/FuzzX/used", 10)
	report := v.expire(t, retention.Ages{Corpora: 365 * day})
	if report.Lineages != 1 || report.Packs != 2 {
		t.Errorf("Expire = %+v", report)
	}
	for _, lineage := range []string{"alive", long} {
		d := t.TempDir()
		root, err := os.OpenRoot(d)
		if err != nil {
			t.Fatal(err)
		}
		c := corpus.Open(v, corpus.Name{Lineage: lineage, Engine: "go", Harness: "FuzzX"}, corpus.Options{})
		if r, err := c.Pull(t.Context(), root); err != nil || r.Files != 3 {
			t.Errorf("%.20s: Pull = %+v, %v", lineage, r, err)
		}
		root.Close()
	}
	for _, key := range v.keys(t) {
		if strings.HasPrefix(key, "corpora/dead/") {
			t.Errorf("left is %s", key)
		}
	}
}

func TestAPullKeepsALineageAlive(t *testing.T) {
	v := newVault(t)
	v.push(t, "p")
	v.ageAll(t, "corpora", 400)
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := corpus.Open(v, corpus.Name{Lineage: "p", Engine: "go", Harness: "FuzzX"}, corpus.Options{}).Pull(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if report := v.expire(t, retention.Ages{Corpora: 365 * day}); report.Lineages != 0 {
		t.Errorf("Expire = %+v", report)
	}
}

func TestManyWorkersExpireOneStore(t *testing.T) {
	v := newVault(t)
	for n := range 30 {
		v.put(t, fmt.Sprintf("crashes/p/%d/input", n), 50+n)
	}
	v.push(t, "p")
	v.ageAll(t, "corpora", 40)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := retention.Expire(context.Background(), v, v.options(retention.Ages{Crashes: 64 * day, Corpora: 30 * day})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := v.keys(t); len(got) != 15 {
		t.Errorf("left are %d: %q", len(got), got)
	}
}

// stubborn is a store that does not remove one blob.
type stubborn struct {
	*vault
	key string
}

var errStubborn = errors.New("it stays")

func (s *stubborn) RemoveBlob(ctx context.Context, key string) error {
	if key == s.key {
		return errStubborn
	}
	return s.vault.RemoveBlob(ctx, key)
}

func TestWhatCannotBeRemovedKeepsNothingElse(t *testing.T) {
	v := newVault(t)
	for _, id := range []string{"1", "2", "3"} {
		v.put(t, "crashes/p/"+id+"/input", 100)
	}
	report, err := retention.Expire(t.Context(), &stubborn{v, "crashes/p/2/input"}, v.options(retention.Ages{Crashes: day}))
	if !errors.Is(err, errStubborn) || report.Crashes != 2 {
		t.Errorf("Expire = %+v, %v", report, err)
	}
}
