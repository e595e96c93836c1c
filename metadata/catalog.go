package metadata

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon"
)

// Catalog is the set of workflows that a program knows: the built-in ones, then
// those in the folders of CORDON_WORKFLOWS, a later one replacing an earlier one
// of the same name (CONTRACT §2).
//
// Editing a file is enough (CONTRACT §7, row 20): each lookup reads the files
// again, some kilobytes from the page cache, because neither times nor sizes
// tell every edit. An edit that cannot be read leaves what was read last and is
// warned about once. A Catalog is safe for concurrent use.
type Catalog struct {
	builtin []Workflow
	dirs    []string
	log     *slog.Logger

	mu    sync.Mutex
	files map[string]*source
	named map[string]Workflow
}

// source is one file of a folder, as it was read last.
type source struct {
	data     []byte // the content that workflow was parsed from
	fault    string // the error that was logged last, so that it is logged once
	good     bool
	workflow Workflow // meaningful where good
}

// UnknownWorkflowError says that no workflow has the name or class asked for. It
// is the Err of the *cordon.Error that Lookup returns.
type UnknownWorkflowError struct {
	Name  string
	Known []string // the names in their order
	Near  string   // the one that was probably meant, or ""
}

func (e *UnknownWorkflowError) Error() string {
	if len(e.Known) == 0 {
		return "no workflow is known"
	}
	text := "no such workflow; the known ones are " + strings.Join(e.Known, ", ")
	if e.Near != "" {
		text += fmt.Sprintf("; did you mean %s?", e.Near)
	}
	return text
}

// NewCatalog makes a catalog of builtin and of dirs. Each folder of dirs is a
// workflow's directory itself, or holds such directories. Here, with nothing to
// fall back on, a folder that cannot be listed and a file that cannot be read
// are errors; all are reported at once. Warnings go to log, which may not be nil.
func NewCatalog(builtin []Workflow, dirs []string, log *slog.Logger) (*Catalog, error) {
	c := &Catalog{builtin: builtin, dirs: dirs, log: log, files: make(map[string]*source)}
	if err := errors.Join(c.refresh()...); err != nil {
		return nil, err
	}
	return c, nil
}

// Lookup returns the workflow with this name or, failing that, this class (the
// workflow type that clients start). Where there is none, the error is a
// *cordon.Error of kind InvalidArgument around an *UnknownWorkflowError.
func (c *Catalog) Lookup(name string) (Workflow, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	if w, ok := c.named[name]; ok {
		return w, nil
	}
	known := c.list()
	for _, w := range known {
		if w.Class == name {
			return w, nil
		}
	}
	unknown := &UnknownWorkflowError{Name: name}
	for _, w := range known {
		unknown.Known = append(unknown.Known, w.Name)
	}
	unknown.Near = Nearest(name, unknown.Known)
	return Workflow{}, &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "look up workflow",
		Name: fmt.Sprintf("%q", name),
		Err:  unknown,
		Fix:  "name a known workflow, or add its folder to CORDON_WORKFLOWS",
	}
}

// List returns the workflows in the order of their names.
func (c *Catalog) List() []Workflow {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	return c.list()
}

func (c *Catalog) list() []Workflow {
	out := make([]Workflow, 0, len(c.named))
	for _, w := range c.named {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Workflow) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// refresh reads the folders again and returns what is wrong with them now. What
// was not wrong the last time, or in another way, is logged.
func (c *Catalog) refresh() []error {
	var faults []error
	seen := make(map[string]*source)
	named := make(map[string]Workflow, len(c.builtin))
	for _, w := range c.builtin {
		named[w.Name] = w
	}
	for _, dir := range c.dirs {
		files, err := workflowFiles(dir)
		if err != nil {
			faults = append(faults, err)
			files = c.filesBelow(dir) // what was there stays known
		}
		c.logOnce(seen, dir, err)
		for _, file := range files {
			s, err := c.read(file)
			if err != nil {
				faults = append(faults, err)
			}
			seen[file] = s
			if !s.good {
				continue
			}
			w := s.workflow
			if before, ok := named[w.Name]; ok && !w.classGiven {
				// A copy in a folder of another name describes the same code.
				w.Class = before.Class
			}
			named[w.Name] = w
		}
	}
	c.files, c.named = seen, named
	return faults
}

// logOnce keeps the state of a folder beside those of files, and logs a change
// for the worse.
func (c *Catalog) logOnce(seen map[string]*source, dir string, err error) {
	s := &source{}
	if err != nil {
		s.fault = err.Error()
		if before := c.files[dir]; before == nil || before.fault != s.fault {
			c.log.Warn("workflow folder cannot be listed; what was read last is kept", "folder", dir, "error", err)
		}
	}
	seen[dir] = s
}

// read returns file as it is now or, where that is broken, as it was last.
func (c *Catalog) read(file string) (*source, error) {
	s := c.files[file]
	if s == nil {
		s = &source{}
	}
	data, err := readFile(file)
	if err == nil && s.fault == "" && s.good && string(data) == string(s.data) {
		return s, nil
	}
	var w Workflow
	var warnings []Warning
	if err == nil {
		w, warnings, err = Parse(file, data)
	}
	if err != nil {
		if s.fault != err.Error() {
			c.log.Warn("metadata cannot be read", "file", file, "kept_last_good", s.good, "error", err)
		}
		return &source{data: s.data, fault: err.Error(), good: s.good, workflow: s.workflow}, err
	}
	for _, warning := range warnings {
		c.log.Warn("metadata: " + warning.String())
	}
	if s.good && s.workflow.Mode() != w.Mode() {
		c.log.Info("metadata changed the mode", "workflow", w.Name, "file", file, "from", s.workflow.Mode(), "to", w.Mode())
	}
	return &source{data: data, good: true, workflow: w}, nil
}

// filesBelow returns the files of a folder that were known before.
func (c *Catalog) filesBelow(dir string) []string {
	var out []string
	for file := range c.files {
		below := strings.HasPrefix(file, filepath.Clean(dir)+string(filepath.Separator))
		if below && filepath.Base(file) == FileName {
			out = append(out, file)
		}
	}
	slices.Sort(out)
	return out
}

// workflowFiles returns the metadata files of a folder of CORDON_WORKFLOWS: its
// own, and those of the directories in it, in the order of their names.
func workflowFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, folderError(dir, err)
	}
	candidates := []string{filepath.Join(dir, FileName)}
	for _, e := range entries {
		candidates = append(candidates, filepath.Join(dir, e.Name(), FileName))
	}
	var out []string
	for _, file := range candidates {
		// Whatever else is wrong with a file that is there, reading it says so.
		if _, err := os.Lstat(file); err == nil {
			out = append(out, file)
		}
	}
	return out, nil
}

func folderError(dir string, err error) error {
	e := &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "read workflow folder",
		Name: dir,
		Err:  err,
		Fix:  "correct CORDON_WORKFLOWS, a list of folders separated by colons",
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err // the path stands in Name already
	}
	if errors.Is(err, os.ErrPermission) {
		e.Kind = cordon.PermissionDenied
	}
	return e
}
