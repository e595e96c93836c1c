package dir

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
	"github.com/cordonlabs/cordon/target"
)

// PutResult implements target.Results. The directory for results is made where
// it is missing, and the URL is a file URL of the absolute path.
func (s *Store) PutResult(ctx context.Context, workflowID, format string, body []byte) (string, error) {
	const op = "put result"
	path, err := s.resultPath(workflowID, format)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = writeResult(path, body)
	}
	if err != nil {
		return "", failure(op, fmt.Sprintf("%q", workflowID), err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String(), nil
}

func writeResult(path string, body []byte) error {
	dir, name := filepath.Split(path)
	if err := mkdirDurable(filepath.Clean(dir)); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.WriteFile(root, name, body)
}

// GetResult implements target.Results.
func (s *Store) GetResult(ctx context.Context, workflowID, format string) ([]byte, error) {
	const op = "get result"
	name := fmt.Sprintf("%q", workflowID)
	path, err := s.resultPath(workflowID, format)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, failure(op, name, err)
	}
	f, _, err := openRegular(path)
	if isAbsent(err) {
		return nil, &cordon.Error{Kind: cordon.TargetNotFound, Op: op, Name: name, Err: fmt.Errorf("there is no file %s", path), Fix: "check the workflow id and the format"}
	}
	if err != nil {
		return nil, failure(op, name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, failure(op, name, err)
	}
	return b, nil
}

func (s *Store) resultPath(workflowID, format string) (string, error) {
	key, err := target.ResultKey(workflowID, format)
	return filepath.Join(s.root, resultsDir, filepath.FromSlash(key)), err
}
