package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/config"
)

// inspected is what `cordon targets inspect` found out.
type inspected struct {
	Path     string `json:"path"`
	Size     int64  `json:"object_bytes"`
	Accepted bool   `json:"accepted"` // get_target would hand out its tree, or the file that it is
	archive.Report

	Kind  cordon.Kind `json:"error,omitempty"` // of the error that get_target would fail with
	Error string      `json:"message,omitempty"`
	Fix   string      `json:"fix,omitempty"`
}

func (a *app) targetsInspect() *cobra.Command {
	var policy string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Say what would become of a file or an archive as a target, without extracting it", Args: exactly("FILE"),
		Long: `Inspect reads a file as a worker would: what it is, what its tree would hold, and what of it would be
left out or changed. An archive that would be refused is read on, so that everything which is wrong
with it is said. Nothing is written. The exit code is 1 for an archive that would be refused.`,
		Example: `  cordon targets inspect upload.tar.gz
  cordon targets inspect app.apk --extract tar
  cordon targets inspect upload.zip --json | jq '.refused'`,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			p, err := archive.ParsePolicy(policy)
			if err != nil {
				return err
			}
			cfg, err := config.FromEnv(a.getenv)
			if err != nil {
				return err
			}
			found, err := a.inspect(cmd.Context(), args[0], p, cfg.ExtractLimits)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(found)
			} else {
				a.printInspected(found)
			}
			if err == nil && !found.Accepted {
				err = &codeError{fmt.Errorf("%s would be refused: %s", plain(args[0]), found.Kind), ExitFailure}
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&policy, "extract", "auto", "what metadata.yaml's `extract` would say: auto, tar or never")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// inspect reads the file at path. The error is of the file itself; what is wrong
// with its content is in what it returns.
func (a *app) inspect(ctx context.Context, path string, p archive.Policy, l archive.Limits) (inspected, error) {
	f, size, err := openInspected(path)
	if err != nil {
		return inspected{}, err
	}
	defer f.Close() // only read
	found := inspected{Path: path, Size: size}
	format, err := archive.Detect(f, size, p, l)
	if err == nil && format.IsArchive() {
		b := a.newBar("reading", a.now)
		found.Report, err = archive.Inspect(ctx, f, size, archive.Options{Policy: p, Limits: l, Progress: func(n int64) { b.update(n, size) }})
		b.done()
	}
	found.Format = format
	if err != nil {
		if cordon.KindOf(err) == "" {
			return inspected{}, err // of the disk, or Ctrl-C
		}
		found.Kind, found.Error, found.Fix = cordon.KindOf(err), err.Error(), cordon.FixOf(err)
	}
	found.Accepted = err == nil
	return found, nil
}

// openInspected opens a regular file without waiting for it.
func openInspected(path string) (*os.File, int64, error) {
	bad := func(kind cordon.Kind, err error, fix string) error {
		return rejected(&cordon.Error{Kind: kind, Op: "inspect", Name: fmt.Sprintf("%q", path), Err: err, Fix: fix})
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, bad(cordon.TargetNotFound, errors.New("no such file"), "check the path")
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err == nil && info.IsDir():
		err = bad(cordon.InvalidArgument, errors.New("it is a folder"), "give a file; 'cordon targets put' packs folders itself")
	case err == nil && !info.Mode().IsRegular():
		err = bad(cordon.InvalidArgument, errors.New("it is not a regular file"), "give a file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// printInspected prints a verdict and what led to it, whatever an archive's
// author has put into its names.
func (a *app) printInspected(found inspected) {
	r := found.Report
	head := fmt.Sprintf("%s, %s", r.Format, bytesOf(found.Size))
	if r.Format.IsArchive() {
		parts := []string{count(int(r.Files), "file", "files"), count(int(r.Dirs), "folder", "folders")}
		if r.Links > 0 {
			parts = append(parts, count(int(r.Links), "symbolic link", "symbolic links"))
		}
		if r.HardLinks > 0 {
			parts = append(parts, count(int(r.HardLinks), "hard link", "hard links"))
		}
		head += fmt.Sprintf(": %s; %s, %s on disk", strings.Join(parts, ", "), bytesOf(r.Bytes), bytesOf(r.DiskBytes))
	} else {
		head += ": used as the file that it is"
	}
	a.print("%s", head)
	for _, why := range r.Refused {
		a.print("%s refused   %s: %s", a.paintOut(red, "✗"), plain(why.Path), plain(why.Reason))
	}
	a.more(len(r.Refused), r.RefusedCount)
	for _, o := range r.Omitted {
		a.print("%s left out  %s → %s: %s", a.paintOut(yellow, "!"), plain(o.Path), plain(o.Target), o.Reason)
	}
	a.more(len(r.Omitted), r.OmittedCount)
	for _, name := range r.StrippedAbsolute {
		a.print("%s renamed   %s loses its leading slash", a.paintOut(yellow, "!"), plain(name))
	}
	a.more(len(r.StrippedAbsolute), r.StrippedAbsoluteCount)
	for _, d := range r.Dropped {
		a.print("%s dropped   %s: %s", a.paintOut(yellow, "!"), plain(d.Path), d.What)
	}
	a.more(len(r.Dropped), r.DroppedCount)
	if found.Accepted {
		a.print("%s accepted", a.paintOut(green, "✓"))
		return
	}
	a.print("%s %s: %s", a.paintOut(red, "✗"), found.Kind, plain(found.Error))
}

// more says that a list was cut.
func (a *app) more(listed int, all int64) {
	if rest := int(all) - listed; rest > 0 {
		a.print("  … and %s more", thousands(rest))
	}
}
