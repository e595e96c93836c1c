// Package miniotest runs a real MinIO server for tests: on loopback, with random
// credentials and a data directory of its own, and never after the test binary.
//
// The server's program is CORDON_TEST_MINIO, else minio in PATH, else
// ~/go/bin/minio; where there is none, tests that need it are skipped.
package miniotest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon/target/internal/s3process"
)

// Server is a running MinIO server.
type Server = s3process.Server

// shared is the server of this test binary. It runs while anybody uses it.
var shared struct {
	sync.Mutex
	users int
	run   *s3process.Process
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

// program is the server whose program is at path.
func program(path string) s3process.Program {
	return s3process.Program{
		Name:  "MinIO",
		Ready: "/minio/health/ready", ReadyStatus: http.StatusOK,
		Steps: func(s Server, addr, dir string) ([]s3process.Step, error) {
			cmd := exec.Command(path, "server", filepath.Join(dir, "data"), "--address", addr, "--certs-dir", filepath.Join(dir, "certs"), "--quiet")
			cmd.Env = []string{
				"HOME=" + dir, "PATH=" + os.Getenv("PATH"),
				"MINIO_ROOT_USER=" + s.AccessKey, "MINIO_ROOT_PASSWORD=" + s.SecretKey,
				"MINIO_BROWSER=off", "MINIO_UPDATE=off",
				"MINIO_CI_CD=on", // lets it store on the system's disk
			}
			return []s3process.Step{{Cmd: cmd, Serves: true}}, nil
		},
	}
}

func acquire(path string) (Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.run == nil {
		p, err := s3process.Start(program(path))
		if err != nil {
			return Server{}, err
		}
		shared.run = p
	}
	shared.users++
	return shared.run.Server, nil
}

func release() {
	shared.Lock()
	defer shared.Unlock()
	if shared.users--; shared.users == 0 && shared.run != nil {
		shared.run.Stop()
		shared.run = nil
	}
}
