package contract_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// shelf says where targets are stored: in a directory, or in a bucket. As JSON it
// is passed to other processes.
type shelf struct {
	Dir string

	Endpoint, AccessKey, SecretKey, Bucket string

	direct string // the server itself, where Endpoint is something before it
}

// onBothStores runs a row with a directory store, and with a real S3 server.
func onBothStores(t *testing.T, row func(t *testing.T, newDesk func(*testing.T) *desk)) {
	t.Parallel()
	t.Run("directory store", func(t *testing.T) {
		t.Parallel()
		row(t, newDesk)
	})
	t.Run("S3 store", func(t *testing.T) {
		t.Parallel()
		row(t, func(t *testing.T) *desk { return newDeskOn(t, newBucket(t, miniotest.Start(t))) })
	})
}

// newBucket is empty.
func newBucket(t *testing.T, srv miniotest.Server) shelf {
	t.Helper()
	return shelf{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: srv.MakeBucket(t), direct: srv.Endpoint}
}

// through is the same bucket, reached at url.
func (s shelf) through(url string) shelf {
	s.Endpoint = url
	return s
}

// elsewhere is a place that does not exist.
func (s shelf) elsewhere() shelf {
	s.Dir += "-no-such"
	s.Bucket += "-no-such"
	return s
}

// place is what an error that says what is missing has to name.
func (s shelf) place() string {
	if s.isS3() {
		return s.Bucket
	}
	return s.Dir
}

func (s shelf) isS3() bool { return s.Endpoint != "" }

func (s shelf) open(log *slog.Logger) (target.Source, error) {
	if !s.isS3() {
		return dir.Open(s.Dir)
	}
	return s3.Open(s3.Config{Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: s.Bucket, Log: log})
}

// put stores content as a client of another make does: without a SHA-256, and
// whatever its size in one request, so that the ETag is the MD5.
func (s shelf) put(id string, content []byte) error {
	if !s.isS3() {
		file := filepath.Join(s.Dir, "targets", id, "target")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file+".new", content, 0o644); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}
	c, err := s.client()
	if err != nil {
		return err
	}
	_, err = c.PutObject(context.Background(), s.Bucket, id+"/target", bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{DisableMultipart: true})
	return err
}

func (s shelf) remove(id string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	return c.RemoveObject(context.Background(), s.Bucket, id+"/target", minio.RemoveObjectOptions{})
}

// client reaches the server itself.
func (s shelf) client() (*minio.Client, error) {
	return minio.New(strings.TrimPrefix(s.direct, "http://"), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
}

// downloads counts them in what a worker has logged.
func (s shelf) downloads(log string) int {
	words := "Cache MISS"
	if s.isS3() {
		words = "downloading from MinIO"
	}
	return strings.Count(log, words)
}
