package miniotest

import (
	"fmt"
	"testing"

	"github.com/cordonlabs/cordon/target/internal/s3process"
)

// Own is a server of one test alone, which may be killed and started again.
type Own struct {
	Server
	run *s3process.Process
}

// StartOwn starts a server for one test. It stops when the test ends.
func StartOwn(t testing.TB) *Own {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Skip(err)
	}
	p, err := s3process.Start(program(path))
	if err != nil {
		t.Fatalf("start MinIO: %v", err)
	}
	t.Cleanup(p.Stop)
	return &Own{Server: p.Server, run: p}
}

// Kill kills the server with SIGKILL. It may be killed already.
func (o *Own) Kill() { o.run.Kill() }

// Start is Restart for the test's own goroutine: where the server does not start,
// the test ends.
func (o *Own) Start(t testing.TB) {
	t.Helper()
	if err := o.Restart(); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the server again, after Kill, on the same port and data, and
// returns when it answers.
func (o *Own) Restart() error {
	if err := o.run.Restart(); err != nil {
		return fmt.Errorf("start MinIO again: %w", err)
	}
	return nil
}
