// Package s3process runs S3 servers as processes of a test: on loopback, with
// random credentials and a directory of their own, and never after the test binary.
package s3process

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Server is a running S3 server.
type Server struct {
	Endpoint             string // "http://127.0.0.1:port"
	AccessKey, SecretKey string // of its administrator
}

// Bucket returns the name of a bucket that no other test uses. It does not exist.
func (s Server) Bucket(t testing.TB) string {
	t.Helper()
	return "t-" + strings.ToLower(rand.Text())
}

// MakeBucket returns the name of a new empty bucket that no other test uses.
func (s Server) MakeBucket(t testing.TB) string {
	t.Helper()
	name := s.Bucket(t)
	if err := s.Client(t).MakeBucket(t.Context(), name, minio.MakeBucketOptions{}); err != nil {
		t.Fatalf("make bucket: %v", err)
	}
	return name
}

// Client returns a plain client of the server, for looking behind a store's back.
func (s Server) Client(t testing.TB) *minio.Client {
	t.Helper()
	c, err := minio.New(strings.TrimPrefix(s.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: "us-east-1", // not every server says which it is in
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
