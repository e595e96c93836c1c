package metadata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/cordonlabs/cordon"
)

// Load reads the metadata.yaml of the workflow in directory dir. Errors are as
// Parse's, or PermissionDenied where the file may not be read.
func Load(dir string) (Workflow, []Warning, error) {
	return LoadFile(filepath.Join(dir, FileName))
}

// LoadFile reads one metadata file, whatever its name is.
func LoadFile(file string) (Workflow, []Warning, error) {
	data, err := readFile(file)
	if err != nil {
		return Workflow{}, nil, err
	}
	return Parse(file, data)
}

// ParseFS reads every */metadata.yaml in fsys, in the order of their names: the
// workflows that a program carries inside itself. The error joins those of all files.
func ParseFS(fsys fs.FS) ([]Workflow, []Warning, error) {
	files, err := fs.Glob(fsys, path.Join("*", FileName))
	if err != nil {
		return nil, nil, err
	}
	var workflows []Workflow
	var warnings []Warning
	var problems []error
	for _, file := range files {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			problems = append(problems, readError(file, err))
			continue
		}
		w, warned, err := Parse(file, data)
		warnings = append(warnings, warned...)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		workflows = append(workflows, w)
	}
	return workflows, warnings, errors.Join(problems...)
}

// readFile reads a regular file, and never more than Parse accepts: a pipe would
// block for ever and a device would not end.
func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, readError(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, readError(file, fmt.Errorf("it is no regular file (%s)", info.Mode().Type()))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, readError(file, err)
	}
	defer f.Close() // nothing was written: closing cannot lose anything
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, readError(file, err)
	}
	return data, nil
}

func readError(file string, err error) error {
	e := &cordon.Error{Kind: cordon.InvalidArgument, Op: "read metadata", Name: file, Err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err // the path stands in Name already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Fix = "name a folder that holds a " + FileName
	case errors.Is(err, fs.ErrPermission):
		e.Kind = cordon.PermissionDenied
		e.Fix = "let this user read the file"
	}
	return e
}
