package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/worker"
)

// runOptions is the command line of `cordon run`.
type runOptions struct {
	places
	temporal  config.TemporalFlags
	params    []string
	isolation string
	lineage   string
	failOn    string
	sarif     string
	baseline  string
	limit     int
	json      bool
}

// defaultLimit is how many findings the table shows: what fits on two screens.
const defaultLimit = 50

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use: "run WORKFLOW TARGET", Short: "Run a workflow on a folder, a file, an archive or a stored target",
		Args: exactly("WORKFLOW", "TARGET"),
		Long: `Run uploads TARGET (a folder, a file, an archive, or the id of a stored target), runs
the workflow on it and prints what it found. Where neither a flag, TEMPORAL_ADDRESS
nor a profile names a Temporal server, one is started inside this process, with a
worker; nothing else has to be running.

The table and the summary go to standard output, everything else to standard error.
The exit code is 6 where --fail-on is met; docs/operate.md lists the others.`,
		Example: `  cordon run security_assessment ./project
  cordon run secret_detection ./project --param no_git=true --fail-on high --sarif secrets.sarif
  cordon run security_assessment sha256-… --isolation isolated --json > result.json
  cordon run security_assessment ./project --baseline result.json        # only what is new`,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			return a.runWorkflow(cmd.Context(), o, args[0], args[1])
		}),
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.params, "param", "p", nil, "set a parameter: `NAME=VALUE`; may be repeated ('cordon workflows show' lists them)")
	flags.StringVar(&o.isolation, "isolation", "", "`MODE`, whatever the workflow's metadata says: isolated, shared or copy-on-write")
	flags.StringVar(&o.lineage, "lineage", "", "`NAME` of the project that TARGET is a version of: its versions share corpora and known crashes (default: the folder's or file's name, or the id)")
	flags.StringVar(&o.failOn, "fail-on", "", "exit with 6 if a finding is of this `SEVERITY` or worse: info, low, medium, high, critical")
	flags.StringVar(&o.sarif, "sarif", "", "write the findings to `FILE` as SARIF 2.1.0")
	flags.StringVar(&o.baseline, "baseline", "", "leave out what `FILE`, an earlier result (JSON or SARIF), knows already")
	flags.IntVar(&o.limit, "limit", defaultLimit, "show at most `N` findings in the table; 0 shows all")
	jsonFlag(cmd, &o.json)
	flags.Lookup("json").Usage = "print the result object as JSON"
	o.addData(flags)
	o.addStore(flags)
	o.addCache(flags)
	addTemporal(flags, &o.temporal)
	return cmd
}

// job is a run whose command line has been understood: everything that can be
// known to be wrong without doing anything has been looked at.
type job struct {
	runOptions
	cfg      config.Worker
	workflow metadata.Workflow
	given    map[string]string
	mode     cordon.Mode // "" where the command line names none
	floor    finding.Severity
	known    *finding.Baseline
	target   string
	path     bool // target is a path, not an id
	id       cordon.TargetID
	size     int64 // of the stored object, in bytes
	store    worker.Store
}

func (a *app) runWorkflow(ctx context.Context, o runOptions, name, target string) error {
	j, err := a.prepare(ctx, o, name, target)
	if err != nil {
		return err
	}
	eng, err := a.startEngine(ctx, j)
	if err != nil {
		return err
	}
	defer eng.stop()
	result, raw, err := a.execute(ctx, j, eng)
	if err != nil {
		return err
	}
	return a.present(ctx, j, result, raw)
}

// prepare reads the command line and everything that it names.
func (a *app) prepare(ctx context.Context, o runOptions, name, target string) (j *job, err error) {
	j = &job{runOptions: o, target: target, given: map[string]string{}}
	if j.cfg, err = a.settings(o.places, dataHome); err != nil {
		return nil, err
	}
	catalog, err := a.catalog(j.cfg)
	if err != nil {
		return nil, err
	}
	if j.workflow, err = catalog.Lookup(name); err != nil {
		return nil, err
	}
	if err := j.readFlags(); err != nil {
		return nil, err
	}
	if j.store, err = a.openStore(j.cfg); err != nil {
		return nil, err
	}
	return j, j.locate(ctx)
}

func (j *job) readFlags() (err error) {
	for _, p := range j.params {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return &usageError{fmt.Errorf("--param %q is not NAME=VALUE", p), "cordon run"}
		}
		j.given[name] = value
	}
	// The values are checked now, with any id in the target's place.
	if _, err := j.workflow.Arguments("", j.given); err != nil {
		return err
	}
	if j.isolation != "" {
		if j.mode, err = cordon.ParseMode(j.isolation); err != nil {
			return err
		}
	}
	if j.failOn != "" {
		if j.floor, err = finding.ParseSeverity(j.failOn); err != nil {
			return err
		}
	}
	if j.limit < 0 {
		return &usageError{fmt.Errorf("--limit %d is negative; use 0 for no limit", j.limit), "cordon run"}
	}
	if j.sarif != "" {
		if fi, err := os.Stat(filepath.Dir(j.sarif)); err != nil || !fi.IsDir() {
			return &cordon.Error{Kind: cordon.InvalidArgument, Op: "write SARIF to", Name: fmt.Sprintf("%q", j.sarif),
				Err: errors.New("its folder does not exist"), Fix: "make the folder, or name another file"}
		}
	}
	if j.baseline != "" {
		return j.readBaseline()
	}
	return nil
}

func (j *job) readBaseline() error {
	f, err := os.Open(j.baseline)
	if err != nil {
		code := ExitFailure
		if errors.Is(err, os.ErrNotExist) {
			code = ExitNotFound
		}
		return &codeError{&cordon.Error{Op: "read baseline", Name: fmt.Sprintf("%q", j.baseline), Err: errors.Unwrap(err),
			Fix: "name the results file of an earlier run"}, code}
	}
	defer f.Close()
	j.known, err = finding.ReadBaseline(f, j.baseline)
	return rejected(err)
}

// locate finds out what the target is: something on this disk, or in the store.
func (j *job) locate(ctx context.Context) error {
	_, err := os.Lstat(j.target)
	if err == nil {
		j.path = true
		if j.lineage == "" {
			j.lineage = lineageOf(j.target)
		}
		return nil
	}
	notFound := &cordon.Error{Kind: cordon.TargetNotFound, Op: "find target", Name: fmt.Sprintf("%q", j.target),
		Err: errors.New("it is neither a file or folder here nor the id of a stored target"),
		Fix: "correct the path, or upload it first ('cordon targets list' shows what is stored)"}
	if !errors.Is(err, os.ErrNotExist) {
		notFound.Err = err
		return notFound
	}
	if j.id, err = cordon.ParseTargetID(j.target); err != nil {
		return notFound
	}
	info, err := j.store.Stat(ctx, j.id)
	j.size = info.Size
	if cordon.KindOf(err) == cordon.TargetNotFound {
		return notFound
	}
	return err
}

// lineageOf is what versions of one project are likely to have in common: the name of
// the folder or the archive, without what says which version it is.
func lineageOf(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	name := filepath.Base(abs)
	if fi, err := os.Stat(abs); err == nil && !fi.IsDir() {
		for _, ext := range []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".tgz", ".txz", ".tar", ".zip"} {
			name = strings.TrimSuffix(name, ext)
		}
	}
	if i := strings.LastIndexFunc(name, func(r rune) bool { return r == '-' || r == '_' }); i > 0 {
		if v := strings.TrimPrefix(name[i+1:], "v"); v != "" && strings.Trim(v, "0123456789.") == "" {
			name = name[:i]
		}
	}
	if name == string(filepath.Separator) || name == "." {
		return ""
	}
	return name
}
