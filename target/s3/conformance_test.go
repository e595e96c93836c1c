package s3_test

import (
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon/target/s3test"
	"github.com/cordonlabs/cordon/target/targettest"
)

// What holds of every store, and what S3 promises beyond, on each server.
func TestServers(t *testing.T) {
	t.Parallel() // a server takes seconds to start, in which others have work
	s3test.Each(t, func(t *testing.T, srv s3test.Server) {
		t.Run("targets and results", func(t *testing.T) { conformsForTargets(t, srv) })
		t.Run("blobs", func(t *testing.T) { conformsForBlobs(t, srv) })
		for _, trial := range trials {
			t.Run(trial.name, func(t *testing.T) { trial.test(t, srv) })
		}
	})
}

func conformsForTargets(t *testing.T, srv s3test.Server) {
	client := srv.Client(t)
	targettest.Run(t, func(t *testing.T) targettest.Harness {
		cfg, bare := made(t, srv.Server), fresh(t, srv.Server)
		return targettest.Harness{
			Store:     open(t, cfg),
			Bare:      open(t, bare),
			BarePlace: bare.Bucket,
			Again:     srv.Kind != s3test.MinIO,
			Plant: func(t *testing.T, key string, body []byte) {
				plant(t, client, cfg.Bucket, key, body)
			},
			Stored: func(t *testing.T) (names []string) {
				for o := range client.ListObjectsIter(t.Context(), cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
					if o.Err != nil {
						t.Fatal(o.Err)
					}
					names = append(names, o.Key)
				}
				for _, u := range unfinishedUploads(t, srv.Server, cfg.Bucket, "a") {
					names = append(names, "unfinished: "+u)
				}
				return names
			},
		}
	})
}

func conformsForBlobs(t *testing.T, srv s3test.Server) {
	client := srv.Client(t)
	targettest.RunBlobs(t, func(t *testing.T) targettest.BlobHarness {
		cfg := fresh(t, srv.Server)
		return targettest.BlobHarness{
			Blobs: open(t, cfg),
			Again: srv.Kind != s3test.MinIO,
			Racy:  srv.Kind == s3test.Ceph,
			Stored: func(t *testing.T) (names []string) {
				for o := range client.ListObjectsIter(t.Context(), cfg.BlobsBucket, minio.ListObjectsOptions{Recursive: true}) {
					if o.Err != nil {
						t.Fatal(o.Err)
					}
					names = append(names, o.Key)
				}
				for u := range client.ListIncompleteUploads(t.Context(), cfg.BlobsBucket, "", true) {
					names = append(names, "unfinished: "+u.Key)
				}
				return names
			},
		}
	})
}
