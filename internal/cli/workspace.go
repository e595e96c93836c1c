package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/export"
	"github.com/cordonlabs/cordon/workspace"
)

func (a *app) workspaceCommand() *cobra.Command {
	cmd := a.group("workspace", "Take a run's workspace out of the cache", "  cordon workspace export night-7 night-7.tar.zst")
	cmd.AddCommand(a.workspaceExport())
	return cmd
}

// exported is what --json prints of an export.
type exported struct {
	Key       string      `json:"key"`
	Workspace string      `json:"workspace"`
	Target    string      `json:"target_id"`
	Run       string      `json:"run_id,omitempty"`
	Mode      cordon.Mode `json:"mode,omitempty"`
	File      string      `json:"file"`
	Written   int64       `json:"written"` // bytes of the file
	export.Summary
}

func (a *app) workspaceExport() *cobra.Command {
	cmd := a.onCacheCommand("export RUN FILE", "Write a run's whole workspace to a tar archive",
		"  cordon workspace export cargo_fuzzing-1f3a5c7e crash-tree.tar.zst\n  cordon workspace export night-7 - | tar -tf -",
		exactly("RUN", "FILE"), nil, func(ctx context.Context, c onCache) error {
			return a.export(ctx, c)
		})
	cmd.Long = `Export writes all that is in a run's workspace, as it stands: RUN is the id of a run or of a
workflow, or the key or path of an entry ('cordon cache ls' shows them). FILE is a tar archive, compressed
where its name ends in .tar.gz, .tgz, .tar.zst or .tzst; '-' is standard output.

Somebody must still hold the workspace, and no sweep takes it away meanwhile. Links are written down and not
followed; devices, FIFOs and sockets are left out and counted. Take a run that is over, or one that waits: what a
tool writes while its workspace is read may be there by half.`
	return cmd
}

func (a *app) export(ctx context.Context, c onCache) error {
	name, file := c.args[0], c.args[1]
	pack, err := packer(file)
	if err != nil {
		return err
	}
	if file == stdout && (c.asJSON || a.outTTY) {
		what := "a terminal is no place for an archive"
		if c.asJSON {
			what = "--json and the archive cannot both go to standard output"
		}
		return &usageError{errors.New(what + "; name a file"), "cordon workspace export"}
	}
	e, err := runsEntry(c.Cache, name)
	if err != nil {
		return err
	}
	lease, err := c.Use(ctx, e.Path, workspace.Caller{Run: e.Run})
	if err != nil {
		return err
	}
	defer lease.Release()

	out := exported{Key: e.Key, Workspace: e.Path, Target: e.Target.String(), Run: e.Run, Mode: e.Mode, File: file}
	write := func(w io.Writer) (err error) {
		counting := &countingWriter{w: w}
		packed, err := pack(counting)
		if err != nil {
			return err
		}
		b := a.newBar("exporting", a.now)
		defer b.done()
		progress := func(n int64) { b.update(n, max(e.Bytes, n)) }
		if fi, statErr := os.Lstat(e.Path); statErr == nil && !fi.IsDir() {
			out.Summary, err = export.File(ctx, e.Path, packed, progress)
		} else {
			out.Summary, err = export.Tree(ctx, e.Path, packed, progress)
		}
		err = errors.Join(err, packed.Close())
		out.Written = counting.n
		return err
	}
	if file == stdout {
		err = write(a.out)
	} else {
		err = writeWhole(file, write)
	}
	if err != nil {
		return err
	}
	if c.asJSON {
		return a.printJSON(out)
	}
	a.say("%s %s, %s to %s", count(out.Files, "file", "files"), bytesOf(out.Bytes), bytesOf(out.Written), plain(file))
	if out.Skipped > 0 {
		a.say("%s %s left out: neither a file, a folder nor a link, or not to be read", a.paintErr(yellow, "!"), count(out.Skipped, "thing was", "things were"))
	}
	if out.Changed > 0 {
		a.say("%s %s while they were read", a.paintErr(yellow, "!"), count(out.Changed, "file changed", "files changed"))
	}
	return nil
}

// stdout is how a file's name says standard output.
const stdout = "-"

// packer returns what compresses into a file of that name.
func packer(file string) (func(io.Writer) (io.WriteCloser, error), error) {
	has := func(endings ...string) bool {
		for _, e := range endings {
			if strings.HasSuffix(strings.ToLower(file), e) {
				return true
			}
		}
		return false
	}
	switch {
	case file == stdout, has(".tar"):
		return func(w io.Writer) (io.WriteCloser, error) { return plainPacker{w}, nil }, nil
	case has(".tar.gz", ".tgz"):
		return func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }, nil
	case has(".tar.zst", ".tzst"):
		return func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }, nil
	}
	return nil, &usageError{fmt.Errorf("%q does not say what kind of archive it is to be; let it end in .tar, .tar.gz, .tgz, .tar.zst or .tzst", filepath.Base(file)), "cordon workspace export"}
}

type plainPacker struct{ io.Writer }

func (plainPacker) Close() error { return nil }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// writeWhole writes a file under a temporary name beside it, so that there is a whole
// one in the end, or none.
func writeWhole(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "write", Name: fmt.Sprintf("%q", file), Err: err, Fix: "name a file in a folder that is there and can be written"}
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what stays is hidden, and says what it was
	}
	return err
}

// runsEntry returns what a run has in the cache: name is its id, its workflow's, or
// what Find takes.
func runsEntry(cache *workspace.Cache, name string) (workspace.Entry, error) {
	all, err := cache.Entries()
	if err != nil {
		return workspace.Entry{}, err
	}
	var own, held []workspace.Entry
	for _, e := range all {
		byRun := e.Run == name
		holds := false
		for _, h := range e.Holders {
			holds = holds || h.Run == name || h.Owner.RunID == name || h.Owner.WorkflowID == name
		}
		switch {
		case byRun, holds && e.Kind == workspace.KindRun:
			own = append(own, e)
		case holds && e.Kind == workspace.KindShared:
			held = append(held, e)
		}
	}
	for _, found := range [][]workspace.Entry{own, held} {
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		var paths []string
		for _, e := range found {
			paths = append(paths, e.Path)
		}
		return workspace.Entry{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "find workspace of", Name: fmt.Sprintf("%q", name),
			Err: fmt.Errorf("it has several: %s", strings.Join(paths, ", ")), Fix: "name one by its path"}
	}
	return cache.Find(name)
}
