package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// contentTypes of results by format (CONTRACT §1.5).
var contentTypes = map[string]string{"json": "application/json", "sarif": "application/sarif+json"}

// PutResult implements target.Results. It creates no bucket: results are what a
// workflow ends with, and its worker's credentials need not be those that may.
func (s *Store) PutResult(ctx context.Context, workflowID, format string, body []byte) (string, error) {
	const op = "put result"
	name := fmt.Sprintf("%q", workflowID)
	k, err := target.ResultKey(workflowID, format)
	if err != nil {
		return "", &cordon.Error{Op: op, Name: name, Err: err}
	}
	format = target.ResultFormat(format)
	dir, file, _ := strings.Cut(k, "/")
	how := minio.PutObjectOptions{
		ContentType:      contentTypes[format],
		UserMetadata:     map[string]string{"workflow_id": headerSafe(dir), "format": format},
		DisableMultipart: true,
	}
	if len(body) == 0 {
		_, err = putNothing(ctx, s.core, s.results, k, how)
	} else {
		_, err = s.core.Client.PutObject(ctx, s.results, k, bytes.NewReader(body), int64(len(body)), how)
	}
	if err != nil {
		return "", s.failure(ctx, op, name, s.results, k, err)
	}
	return s.url + "/" + s.results + "/" + url.PathEscape(dir) + "/" + file, nil
}

// GetResult implements target.Results.
func (s *Store) GetResult(ctx context.Context, workflowID, format string) ([]byte, error) {
	const op = "get result"
	name := fmt.Sprintf("%q", workflowID)
	k, err := target.ResultKey(workflowID, format)
	if err != nil {
		return nil, &cordon.Error{Op: op, Name: name, Err: err}
	}
	body, o, _, err := s.core.GetObject(ctx, s.results, k, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.failure(ctx, op, name, s.results, k, err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err == nil && int64(len(b)) < o.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, s.failure(ctx, op, name, s.results, k, err)
	}
	return b, nil
}

// headerSafe percent-encodes what may not be in a header: all that is not ASCII.
func headerSafe(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
