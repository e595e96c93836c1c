package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/pack"
)

func TestPutWarnsOfWhatATargetRarelyWantsAndItsAdviceHelps(t *testing.T) {
	c := newCall(t)
	project := filepath.Join(c.home, "project")
	writeFile(t, filepath.Join(project, "index.js"), "x")
	for i := range 1200 {
		writeFile(t, filepath.Join(project, "node_modules", "p", fmt.Sprint(i)), "1234567890")
	}
	for _, crate := range []string{"a", "b\x1b[2J"} {
		writeFile(t, filepath.Join(project, crate, "Cargo.toml"), "")
		writeFile(t, filepath.Join(project, crate, "target", "debug", "x"), strings.Repeat("x", 1_500_000))
	}
	put := func() (uploaded, string) {
		t.Helper()
		var up uploaded
		got := c.mustRun(t, "targets", "put", project, "--data", c.data(), "--json")
		decode(t, got.out, &up)
		return up, got.err
	}

	up, talk := put()
	for _, want := range []string{
		`! node_modules: 1,200 files, 12.0 kB; rarely wanted in a target (packages that can be installed again): add "node_modules/" to .cordonignore to leave it out` + "\n",
		`! a/target: 1 file, 1.50 MB; rarely wanted in a target (what cargo can build again): add "/a/target/" to .cordonignore to leave it out` + "\n",
		`! b\x1b[2J/target: 1 file, 1.50 MB; rarely wanted in a target (what cargo can build again): add "/b?\[2J/target/" to .cordonignore to leave it out` + "\n",
	} {
		if !strings.Contains(talk, want) {
			t.Errorf("%q is missing in:\n%s", want, talk)
		}
	}
	if len(up.Heavy) != 3 || up.Heavy[2].Path != "node_modules" || up.Heavy[2].Files != 1200 || up.Heavy[2].Bytes != 12_000 || up.Heavy[2].Ignore != "node_modules/" {
		t.Errorf("JSON has %+v", up.Heavy)
	}

	var lines strings.Builder
	for _, h := range up.Heavy {
		lines.WriteString(h.Ignore + "\n")
	}
	writeFile(t, filepath.Join(project, pack.IgnoreFile), lines.String())
	if up, talk = put(); strings.Contains(talk, "!") || up.Heavy == nil || len(up.Heavy) > 0 || up.Files != 4 {
		t.Errorf("with the advice followed, %d files are put, JSON has %+v, and it says:\n%s", up.Files, up.Heavy, talk)
	}
}

func TestSeveralHeavyFoldersOfOneNameAreOneWarning(t *testing.T) {
	got := heavyWords(pack.Heavy{Path: "a/node_modules", Places: 1201, Files: 9000, Bytes: 9 * cordon.MB, Why: "packages", Ignore: "node_modules/"})
	if want := `a/node_modules and 1,200 more of that name: 9,000 files, 9.00 MB; rarely wanted in a target (packages): add "node_modules/" to .cordonignore to leave it out`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// recording keeps what a Put was told.
type recording struct {
	target.Store
	id   cordon.TargetID
	opts target.PutOptions
}

func (r *recording) Put(ctx context.Context, id cordon.TargetID, body io.Reader, opts target.PutOptions) (target.Info, error) {
	r.id, r.opts = id, opts
	return r.Store.Put(ctx, id, body, opts)
}

func TestOnlyAnUploadUnderTheIdOfItsContentMayBeContinued(t *testing.T) {
	project := t.TempDir()
	writeFile(t, filepath.Join(project, "a"), "a")
	mine, err := cordon.ParseTargetID("mine")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []cordon.TargetID{{}, mine} {
		d, err := dir.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		store := &recording{Store: d}
		a := &app{screen: newScreen(io.Discard, io.Discard, os.Getenv), getenv: os.Getenv, now: time.Now}
		up, err := a.upload(t.Context(), store, project, id)
		if err != nil {
			t.Fatal(err)
		}
		if up.ID != store.id || store.opts.Resume != id.IsZero() || store.opts.SHA256 == "" {
			t.Errorf("with --id %q it is put as %s with %+v", id, store.id, store.opts)
		}
	}
}

func TestUnderAGivenIdAnObjectOfTheSameSizeIsNotTakenForTheUpload(t *testing.T) {
	c := newCall(t)
	project := filepath.Join(c.home, "project.bin")
	writeFile(t, project, "new")
	c.mustRun(t, "targets", "put", project, "--id", "mine", "--data", c.data())
	object := filepath.Join(c.data(), "store", "targets", "mine", "target")
	writeFile(t, object, "old") // by another tool, which states no digest
	var up uploaded
	decode(t, c.mustRun(t, "targets", "put", project, "--id", "mine", "--data", c.data(), "--json").out, &up)
	if b, err := os.ReadFile(object); err != nil || string(b) != "new" || up.Existed {
		t.Errorf("stored is %q, %v; existed is %v", b, err, up.Existed)
	}
}
