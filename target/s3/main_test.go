package s3_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

func TestMain(m *testing.M) {
	if runPutter() {
		return
	}
	os.Exit(miniotest.Main(m))
}

// fresh returns a configuration for srv with buckets of its own that do not exist.
func fresh(t *testing.T, srv miniotest.Server) s3.Config {
	t.Helper()
	return s3.Config{
		Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
		Bucket: srv.Bucket(t), ResultsBucket: srv.Bucket(t), BlobsBucket: srv.Bucket(t),
		Log: slog.New(slog.DiscardHandler),
	}
}

// made returns a configuration for srv with empty buckets of its own.
func made(t *testing.T, srv miniotest.Server) s3.Config {
	t.Helper()
	cfg := fresh(t, srv)
	cfg.Bucket, cfg.ResultsBucket = srv.MakeBucket(t), srv.MakeBucket(t)
	return cfg
}

func open(t *testing.T, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, s string) cordon.TargetID {
	t.Helper()
	id, err := cordon.ParseTargetID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
