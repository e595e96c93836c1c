// Package s3test runs real S3 servers of several kinds for the tests that hold a
// store against each of them. Who needs just one takes package miniotest.
//
// A test against a server that is not there is skipped. CORDON_TEST_MINIO and
// CORDON_TEST_VERSITYGW name the programs of two, which are else looked for in PATH;
// the third, Ceph, is there where its Debian packages are installed (ceph-mon,
// ceph-osd, radosgw, ceph-common).
package s3test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/cordonlabs/cordon/target/internal/s3process"
	"github.com/cordonlabs/cordon/target/miniotest"
)

// Server is a running S3 server.
type Server struct {
	s3process.Server
	Kind string // MinIO, Versitygw or Ceph
}

// The kinds of servers.
const (
	MinIO     = "MinIO"
	Versitygw = "versitygw"
	Ceph      = "Ceph"
)

// Each runs f as a parallel subtest for each kind of server. The server is the
// subtest's own, but for MinIO, which the test binary shares. With -short there is
// MinIO alone.
func Each(t *testing.T, f func(t *testing.T, srv Server)) {
	t.Helper()
	for kind, start := range map[string]func(t *testing.T) s3process.Server{
		MinIO:     func(t *testing.T) s3process.Server { return miniotest.Start(t) },
		Versitygw: func(t *testing.T) s3process.Server { return own(t, versitygw(t)) },
		Ceph:      func(t *testing.T) s3process.Server { return own(t, ceph(t)) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && kind != MinIO {
				t.Skip("one kind of server is enough for a short run")
			}
			f(t, Server{start(t), kind})
		})
	}
}

// own starts a server of the test alone.
func own(t *testing.T, program s3process.Program) s3process.Server {
	t.Helper()
	p, err := s3process.Start(program)
	if err != nil {
		t.Fatalf("start %s: %v", program.Name, err)
	}
	t.Cleanup(p.Stop)
	return p.Server
}

// installed returns the path of a program, or skips the test.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// environment is all that a server is told of this process's.
func environment(dir string, more ...string) []string {
	return append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, more...)
}
