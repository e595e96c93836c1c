package contract_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// bulk is a target that the S3 store fetches in several parts.
type bulk struct {
	tree tree
	tar  []byte
}

const bulkFiles = 24 // of 1 MiB each, which do not compress

// newBulk is different for each seed.
func newBulk(t testing.TB, seed byte) bulk {
	r := rand.NewChaCha8([32]byte{seed})
	b := bulk{tree: maps.Clone(project)}
	for i := range bulkFiles {
		content := make([]byte, 1<<20)
		_, _ = r.Read(content) // never fails
		b.tree[fmt.Sprintf("data-%02d", i)] = string(content)
	}
	b.tar = b.tree.tarball(t)
	return b
}

// header returns the offset of the tar header of a file, the content of which
// follows 512 bytes later.
func (b bulk) header(name string) int64 { return int64(bytes.Index(b.tar, []byte(name+"\x00"))) }

// The bulks that all tests share, and the bucket with the first of them as
// target "bulk", put by a client that states nothing, and "stated", put by ours.
var shared struct {
	sync.Once
	first, second bulk
	shelf         shelf
}

func bulks(t *testing.T) (first, second bulk, s shelf) {
	t.Helper()
	srv := miniotest.Start(t)
	shared.Do(func() {
		shared.first, shared.second = newBulk(t, 1), newBulk(t, 2)
		s := newBucket(t, srv)
		must(t, s.put("bulk", shared.first.tar))
		must(t, s.state("stated", shared.first.tar))
		shared.shelf = s
	})
	if shared.shelf.Bucket == "" {
		t.Fatal("the test that made the shared bucket failed")
	}
	return shared.first, shared.second, shared.shelf
}

// state stores content as our own uploads do, with its SHA-256.
func (s shelf) state(id string, content []byte) error {
	store, err := s3.Open(s3.Config{Endpoint: s.direct, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: s.Bucket})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	name, err := cordon.ParseTargetID(id)
	if err != nil {
		return err
	}
	_, err = store.Put(context.Background(), name, bytes.NewReader(content), target.PutOptions{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])})
	return err
}
