package worker

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

func TestAWorkerExpiresTheStoreOnceAnHour(t *testing.T) {
	root := t.TempDir()
	store, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	crash := filepath.Join(root, "fuzzing/crashes/p/1/input")
	putOld := func() {
		t.Helper()
		if _, err := store.PutBlob(t.Context(), "crashes/p/1/input", strings.NewReader("x"), 1, target.PutBlob{}); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-48 * time.Hour)
		if err := os.Chtimes(crash, old, old); err != nil {
			t.Fatal(err)
		}
	}
	isThere := func() bool { _, err := os.Stat(crash); return err == nil }
	var log bytes.Buffer
	w := &Worker{store: store, log: slog.New(slog.NewTextHandler(&log, nil)), opts: Options{Config: config.Worker{CrashRetention: 24 * time.Hour}}}

	putOld()
	w.expire(t.Context())
	if !isThere() || w.expires.Before(time.Now()) || time.Until(w.expires) > time.Hour {
		t.Errorf("at its start it expires at once, or never: %v", w.expires)
	}
	w.expires = time.Now().Add(-time.Second)
	w.expire(t.Context())
	if isThere() || !strings.Contains(log.String(), "crashes=1") {
		t.Errorf("it has not expired a crash, or not said so: %s", log.String())
	}
	if d := time.Until(w.expires); d < 59*time.Minute || d > 67*time.Minute {
		t.Errorf("the next time is in %v", d)
	}
	putOld()
	w.expire(t.Context())
	if !isThere() {
		t.Error("it expires twice within an hour")
	}
}
