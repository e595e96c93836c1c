// Package miniotest runs a real MinIO server for tests: on loopback, with random
// credentials and a data directory of its own, and never after the test binary.
//
// The server's program is CORDON_TEST_MINIO, else minio in PATH, else
// ~/go/bin/minio; where there is none, tests that need it are skipped.
package miniotest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Server is a running MinIO server.
type Server struct {
	Endpoint             string // "http://127.0.0.1:port"
	AccessKey, SecretKey string // of its administrator
}

// shared is the server of this test binary. It runs while anybody uses it.
var shared struct {
	sync.Mutex
	users int
	run   *process
}

// Start returns the test binary's server and starts it if it does not run. It
// stops when the last test that called Start ends; see Main.
func Start(t testing.TB) Server {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Skip(err)
	}
	s, err := acquire(path)
	if err != nil {
		t.Fatalf("start MinIO: %v", err)
	}
	t.Cleanup(release)
	return s
}

// Main runs the tests of a package that uses the server in several of them, so
// that it starts once: call it as os.Exit(miniotest.Main(m)) in TestMain.
func Main(m *testing.M) int {
	shared.Lock()
	shared.users++
	shared.Unlock()
	defer release()
	return m.Run()
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
	c, err := minio.New(strings.TrimPrefix(s.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// find returns the path of the server's program.
func find() (string, error) {
	if p := os.Getenv("CORDON_TEST_MINIO"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("CORDON_TEST_MINIO: %w", err)
		}
		return p, nil
	}
	if p, err := exec.LookPath("minio"); err == nil {
		return p, nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		if p := filepath.Join(home, "go", "bin", "minio"); isFile(p) {
			return p, nil
		}
	}
	return "", errors.New("no MinIO server: set CORDON_TEST_MINIO to its program, or have minio in PATH")
}

func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

func acquire(path string) (Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.run == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		p, err := startProcess(ctx, path)
		if err != nil {
			return Server{}, err
		}
		shared.run = p
	}
	shared.users++
	return shared.run.server, nil
}

func release() {
	shared.Lock()
	defer shared.Unlock()
	if shared.users--; shared.users == 0 && shared.run != nil {
		shared.run.stop()
		shared.run = nil
	}
}

// startTimeout is generous: a server is up in a second, but two cores may be busy.
const startTimeout = 60 * time.Second
