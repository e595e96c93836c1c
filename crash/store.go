package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// The keys of a bug, below crashes/{lineage}/{signature}/:
//
//	crash.json             what it is; by whoever found it first
//	inputs/{sha256}        an input
//	inputs/{sha256}.json   what is known of that input
//	runs/{run}.json        how often a run came upon it, and when
//
// An input is written before its record, and both before crash.json: who reads a
// record finds its input. A bug whose crash.json is missing, for its writer was
// killed, is told by its inputs.
const (
	prefix    = "crashes"
	bugFile   = "crash.json"
	inputsDir = "inputs"
	runsDir   = "runs"
	recordExt = ".json"
)

// Bounds of what is stored and read back.
const (
	maxStoredLog = 64 << 10
	maxRecord    = 1 << 20 // bytes of a record that are read; a log of 64 KiB may take six times that in JSON
	maxInput     = 64 * cordon.MiB
	maxCommand   = 64   // words
	maxWord      = 4096 // bytes of each
)

// Store keeps crashes in a store of blobs. It is safe for concurrent use, also by
// several processes and hosts.
type Store struct {
	blobs target.Blobs
	log   *slog.Logger

	mu      sync.Mutex
	tallies map[tallyKey]*tally
}

// NewStore returns the store of crashes in blobs. What in it is damaged or foreign is
// told to log, and passed over.
func NewStore(blobs target.Blobs, log *slog.Logger) *Store {
	return &Store{blobs: blobs, log: log, tallies: map[tallyKey]*tally{}}
}

// keyOf joins the parts of a key below a bug.
func keyOf(lineage, signature string, parts ...string) string {
	return strings.Join(append([]string{prefix, target.BlobName(lineage), signature}, parts...), "/")
}

// Read returns an input's bytes. Those that are not what its name says are an
// IntegrityMismatch.
func (s *Store) Read(ctx context.Context, in Input) ([]byte, error) {
	key := keyOf(in.Lineage, in.Signature, inputsDir, in.SHA256)
	b, err := s.get(ctx, key, maxInput)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != in.SHA256 {
		return nil, &cordon.Error{Kind: cordon.IntegrityMismatch, Op: "read crash input", Name: key, Err: errors.New("its bytes are not those that its name says"), Fix: "remove it; another input of the bug may do"}
	}
	return b, nil
}

// get reads a blob of at most limit bytes.
func (s *Store) get(ctx context.Context, key string, limit int64) ([]byte, error) {
	r, info, err := s.blobs.OpenBlob(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close() // only read
	if info.Size > limit {
		return nil, &cordon.Error{Kind: cordon.TargetTooLarge, Op: "read", Name: key, Err: fmt.Errorf("it has %s, more than the %s that such a blob may have", cordon.FormatBytes(info.Size), cordon.FormatBytes(limit)), Fix: "remove it from the store"}
	}
	return io.ReadAll(io.LimitReader(r, limit))
}

// getJSON reads a record into v. What is no record is damage: damaged is true, and
// the error says how.
func (s *Store) getJSON(ctx context.Context, key string, v any) (damaged bool, err error) {
	b, err := s.get(ctx, key, maxRecord)
	if err != nil {
		return cordon.KindOf(err) == cordon.TargetTooLarge, err
	}
	if err := decode(b, v); err != nil {
		return true, err
	}
	return false, nil
}

// decode reads a record of the version that this program knows.
func decode(b []byte, v any) error {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return err
	}
	if version.Version != recordVersion {
		return fmt.Errorf("it is of version %d; this program knows %d", version.Version, recordVersion)
	}
	return json.Unmarshal(b, v)
}

func (s *Store) putJSON(ctx context.Context, key string, v any, ifAbsent bool) (created bool, err error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return false, err
	}
	b = append(b, '\n')
	return s.blobs.PutBlob(ctx, key, bytes.NewReader(b), int64(len(b)), target.PutBlob{IfAbsent: ifAbsent, ContentType: "application/json"})
}

// passOver warns of a blob that is not what its key says.
func (s *Store) passOver(ctx context.Context, key string, err error) {
	s.log.WarnContext(ctx, "Crash record passed over: it is damaged, or not Cordon's", "key", key, "error", err)
}
