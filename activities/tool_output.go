package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/analyze/sarif"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/target"
)

// ToolRun is how the program of a workflow without code ran, and what it left
// besides findings.
type ToolRun struct {
	Program  string `json:"program"`
	ExitCode int    `json:"exit_code"`
	WallMS   int64  `json:"wall_ms"`
	CPUMS    int64  `json:"cpu_ms"`
	MaxRSS   int64  `json:"max_rss"` // bytes, of its largest process

	// Data is the JSON that results.json names, without secrets. In the object that
	// a workflow returns it is missing where it would not fit through the history;
	// the stored one has it.
	Data json.RawMessage `json:"data,omitempty"`
	Kept []Kept          `json:"kept,omitempty"` // the files that results.keep names
}

// Kept is a file of a tool's that was stored as it is (target.Blobs).
type Kept struct {
	Name  string `json:"name"` // relative to the output directory, or to the workspace
	Key   string `json:"key"`
	Bytes int64  `json:"bytes"`
}

// Bounds of what is taken from a tool.
const (
	maxData      = 4 << 20 // bytes of JSON
	maxKept      = 1000    // files
	maxKeptBytes = 2 * cordon.GB
)

// collect turns what the tool left into a part. It is what hostile code left: it is
// read through a Tree, which follows no link and opens nothing but regular files.
func (t *toolRun) collect(ctx context.Context, found bool) (Part, error) {
	output, err := analyze.OpenTree(t.output)
	if err != nil {
		return Part{}, err
	}
	defer output.Close()
	tree, err := analyze.OpenTree(t.dir)
	if err != nil {
		return Part{}, err
	}
	defer tree.Close()
	trees := map[bool]*analyze.Tree{false: output, true: tree}

	var logs [][]byte
	for _, p := range t.w.Tool.Results.SARIF {
		b, err := t.read(trees, p, sarif.MaxBytes)
		if err != nil {
			return Part{}, err
		}
		logs = append(logs, b)
	}
	result, err := sarif.Read(logs, sarif.Options{Dir: t.dir, Tree: tree, Scrubber: t.scrub, Name: t.program})
	if err != nil {
		return Part{}, err
	}
	if len(result.Tools) == 0 {
		result.Tools = []finding.Tool{{Name: t.program, Available: true}}
	}
	if found && len(logs) > 0 && len(result.Findings) == 0 && result.Suppressed == 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("%s ended with exit code %d, which says that it found something, and its report holds nothing.", t.program, t.result.ExitCode))
	}
	run := &ToolRun{Program: t.program, ExitCode: t.result.ExitCode, WallMS: t.result.Wall.Milliseconds(), CPUMS: t.result.CPU.Milliseconds(), MaxRSS: t.result.MaxRSS}
	if p := t.w.Tool.Results.JSON; p != nil {
		b, err := t.read(trees, *p, maxData)
		if err != nil {
			return Part{}, err
		}
		if run.Data, err = t.data(*p, b); err != nil {
			return Part{}, err
		}
	}
	if run.Kept, err = t.keep(ctx, trees, result); err != nil {
		return Part{}, err
	}
	part, err := t.a.newPart(ctx, RunToolName, partContent{Result: *result, Run: run})
	part.Sandbox = &t.result.Report
	return part, err
}

// read reads a file that the tool has to have written.
func (t *toolRun) read(trees map[bool]*analyze.Tree, p metadata.Place, limit int64) ([]byte, error) {
	b, err := trees[p.InWorkspace].ReadFile(p.Path, limit)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fs.ErrNotExist):
		f := ToolFailure{Stdout: t.scrub.Scrub(t.stdout.String()), Stderr: t.scrub.Scrub(t.stderr.String())}
		return nil, t.wrong(fmt.Sprintf("it ended with exit code %d and left no %s%s", t.result.ExitCode, p, quote(f)),
			"let it write that file, or correct results in "+t.w.File)
	case errors.Is(err, analyze.ErrTooLarge):
		return nil, t.wrong(fmt.Sprintf("its %s has more than %s", p, cordon.FormatBytes(limit)), "let it report less")
	}
	return nil, t.wrong(fmt.Sprintf("its %s cannot be read: %v", p, err), "let it write a regular file")
}

// data returns the tool's JSON without its secrets.
func (t *toolRun) data(p metadata.Place, b []byte) (json.RawMessage, error) {
	if !json.Valid(b) {
		return nil, t.wrong(fmt.Sprintf("its %s is not JSON", p), "let it write one JSON text, or list the file in results.keep in "+t.w.File)
	}
	if b = []byte(t.scrub.Scrub(string(b))); !json.Valid(b) {
		return nil, t.wrong(fmt.Sprintf("its %s holds secrets that cannot be taken out of it one by one", p), "list the file in results.keep in "+t.w.File+" instead")
	}
	return b, nil
}

// keep stores the files that results.keep names. What is left out is noted.
func (t *toolRun) keep(ctx context.Context, trees map[bool]*analyze.Tree, result *analyze.Result) ([]Kept, error) {
	var kept []Kept
	var total int64
	left := 0
	for _, want := range t.w.Tool.Results.Keep {
		tree := trees[want.InWorkspace]
		list, err := tree.List(ctx)
		if err != nil {
			return nil, err
		}
		matched := false
		for _, f := range list.Files {
			if !want.Glob.Match(f.Path) {
				continue
			}
			matched = true
			if t.a.blobs == nil || len(kept) == maxKept || total+f.Size > maxKeptBytes {
				left++
				continue
			}
			k, err := t.store(ctx, tree, f.Path)
			if err != nil {
				return nil, err
			}
			total += k.Bytes
			kept = append(kept, k)
		}
		if !matched {
			result.Notes = append(result.Notes, fmt.Sprintf("%s left nothing that matches %s, which results.keep names.", t.program, want))
		}
	}
	if left > 0 {
		why := fmt.Sprintf("at most %d files and %s are", maxKept, cordon.FormatBytes(maxKeptBytes))
		if t.a.blobs == nil {
			why = "this worker's store takes no files"
		}
		result.Notes = append(result.Notes, fmt.Sprintf("%d files that results.keep names are not kept: %s.", left, why))
	}
	return kept, nil
}

// store stores one file under the run's own key.
func (t *toolRun) store(ctx context.Context, tree *analyze.Tree, name string) (Kept, error) {
	f, err := tree.Open(name)
	if err != nil {
		return Kept{}, t.wrong(fmt.Sprintf("its file %.200q cannot be read: %v", name, err), "let it write regular files")
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Kept{}, &cordon.Error{Op: RunToolName, Name: f.Name(), Err: err}
	}
	run := t.info.WorkflowExecution
	k := Kept{Name: printable(name), Key: "artifacts/" + target.BlobName(run.ID) + "/" + run.RunID + "/" + target.BlobName(name), Bytes: st.Size()}
	_, err = t.a.blobs.PutBlob(ctx, k.Key, io.LimitReader(f, st.Size()), st.Size(), target.PutBlob{})
	return k, err
}
