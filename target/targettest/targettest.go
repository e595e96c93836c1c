// Package targettest is the definition of an object store as behaviours: the
// suite that every implementation of target.Store and target.Results passes.
package targettest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Store is what an implementation offers.
type Store interface {
	target.Store
	target.Results
}

// Harness is one store under test, and what the suite does behind its back.
type Harness struct {
	// Store is empty, and its places for targets and results exist.
	Store Store

	// Bare is another store, whose places for targets and results do not exist.
	Bare Store

	// BarePlace is what a message must hold that says which place is missing.
	BarePlace string

	// Plant puts body under a key below the place for targets, as somebody
	// would do by hand: "{id}/target" for a target.
	Plant func(t *testing.T, key string, body []byte)

	// Stored returns all that lies below the place for targets, unfinished
	// uploads included.
	Stored func(t *testing.T) []string

	// Again says that the suite runs in full elsewhere, for the same implementation. It is
	// that which cuts large objects into parts: of their sizes one is tried on each side of a cut.
	Again bool
}

// Run runs the suite. open returns a new harness, independent of all others.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			h := open(t)
			b.test(t, h)
		})
	}
}

type behaviour struct {
	name string
	test func(t *testing.T, h Harness)
}

var behaviours = concat(reading, writing, resuming, listing, cancelling, results, listingResults)

func concat(groups ...[]behaviour) (all []behaviour) {
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// big is more than one part of any multipart upload, in bytes, and no multiple of anything.
const big = 17<<20 + 4321

func id(t testing.TB, s string) cordon.TargetID {
	t.Helper()
	v, err := cordon.ParseTargetID(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// content returns n bytes that are different for each seed.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	// A generator never fails.
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func put(t testing.TB, s target.Store, name string, body []byte) target.Info {
	t.Helper()
	info, err := s.Put(context.Background(), id(t, name), bytes.NewReader(body), target.PutOptions{Size: int64(len(body)), SHA256: digest(body)})
	if err != nil {
		t.Fatalf("Put %s: %v", name, err)
	}
	return info
}

func get(t testing.TB, s target.Source, name, etag string) ([]byte, target.Info) {
	t.Helper()
	r, info, err := s.Open(context.Background(), id(t, name), etag)
	if err != nil {
		t.Fatalf("Open %s: %v", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return b, info
}

func stat(t testing.TB, s target.Source, name string) target.Info {
	t.Helper()
	info, err := s.Stat(context.Background(), id(t, name))
	if err != nil {
		t.Fatalf("Stat %s: %v", name, err)
	}
	return info
}

func wantBytes(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes (sha256 %.12s), want %d (sha256 %.12s)", len(got), digest(got), len(want), digest(want))
	}
}

func wantKind(t testing.TB, err error, kind cordon.Kind) {
	t.Helper()
	if got := cordon.KindOf(err); err == nil || got != kind {
		t.Errorf("error %v has kind %q, want %q", err, got, kind)
	}
}

// sameInfo compares what two calls said of one object. Modified is compared to
// the second, for HTTP headers are no finer.
func sameInfo(t testing.TB, what string, got, want target.Info) {
	t.Helper()
	if got.ID != want.ID || got.Size != want.Size || got.ETag != want.ETag || got.Modified.Unix() != want.Modified.Unix() {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}
