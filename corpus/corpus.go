// Package corpus keeps the corpora of fuzzing in a store of blobs: what one
// campaign has learned, the next one begins with.
//
// A corpus is a set of inputs, each named by the SHA-256 of its content. It is
// stored as packs that never change:
//
//	corpora/{lineage}/{engine}/{harness}/{time}-{random}-{inputs}.tar.zst           inputs that some run found
//	corpora/{lineage}/{engine}/{harness}/{time}-{random}-{inputs}.merged.tar.zst    a version of the whole corpus
//	corpora/{lineage}/{engine}/{harness}/used                                       when some run last pulled
//
// each component spelled by target.BlobName. A pack is a zstd-compressed tar of
// files named by the hex SHA-256 of their content; any tar reads it. The first member of a
// version, supersedes.json, names the packs that it stands for. The corpus is
// therefore every pack that no whole version names.
//
// Any number of runs on any number of hosts use one corpus at a time, without
// locks: a run adds packs of its own, under names of its own, and takes nothing
// away. What a version supersedes is removed later, by Prune, when whoever listed the
// packs before that version has long read them. A run that dies loses what it
// had not pushed, and leaves nothing half-made. A version holds what its writer
// kept of the packs that it names; packs that came meanwhile are not named, and stay.
//
// What is in a pack was found by hostile code, and what is in the store may be
// damaged: a pack that is not as described here costs a warning, never a run.
//
//	c := corpus.Open(store, corpus.Name{Lineage: "parser", Engine: "libfuzzer", Harness: "fuzz_xml"}, corpus.Options{})
//	c.Pull(ctx, dir)      // what others know; again now and then, to share
//	c.Push(ctx, dir)      // what is new here, every few minutes
//	c.Merge(ctx, merged)  // at the end: what the engine's own minimisation kept
package corpus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Name names a corpus. Lineage is what the versions of one project have in common.
type Name struct {
	Lineage string `json:"lineage"`
	Engine  string `json:"engine"`
	Harness string `json:"harness"`
}

func (n Name) String() string { return n.Lineage + " " + n.Engine + " " + n.Harness }

// Top is what the keys of all corpora begin with.
const Top = "corpora"

// prefix is what the keys of the corpus's blobs begin with.
func (n Name) prefix() string {
	return path.Join(Top, target.BlobName(n.Lineage), target.BlobName(n.Engine), target.BlobName(n.Harness))
}

// Options say how much a run takes and gives. What is zero has its default.
type Options struct {
	MaxFiles int   // inputs that Pull leaves in a directory, that one run pushes, and of a version; 200,000, at most a million
	MaxBytes int64 // of those inputs; 2 GB, at most 3 GiB
	MaxInput int64 // bytes of one input; larger ones are left alone; 1 MiB

	TempDir string // where packs are made before they are uploaded; os.TempDir()

	Log *slog.Logger     // slog.Default()
	Now func() time.Time // time.Now
}

// The defaults of Options, and the most that they may be: a pack with more is
// taken for a hostile one.
const (
	mostFiles = 1_000_000
	mostBytes = 3 << 30

	DefaultMaxFiles = 200_000
	DefaultMaxBytes = 2_000_000_000
	DefaultMaxInput = 1 << 20
)

func (o Options) withDefaults() Options {
	o.MaxFiles = min(cmp.Or(o.MaxFiles, DefaultMaxFiles), mostFiles)
	o.MaxBytes = min(cmp.Or(o.MaxBytes, DefaultMaxBytes), mostBytes)
	o.MaxInput = cmp.Or(o.MaxInput, DefaultMaxInput)
	o.TempDir = cmp.Or(o.TempDir, os.TempDir())
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Corpus is one run's view of a corpus, and what that run has seen of it. Its
// methods may be called from several goroutines; they run one after the other.
// Those that take a directory take the same one each time, but for Merge. It is an
// *os.Root, which the caller opens below a root of its own: what lies in it may be
// hostile, and a path to it could have been turned elsewhere.
//
// Errors are *cordon.Error: those of target.Blobs; NoSpace where the directory's disk
// is full; those of a directory that cannot be read have the kind StorageUnavailable.
type Corpus struct {
	blobs  target.Blobs
	name   Name
	prefix string // of its blobs' keys
	opts   Options

	mu      sync.Mutex
	read    map[string]bool // packs whose inputs are all known here, by name
	covered map[string]bool // packs that a version which was read stands for
	damaged map[string]bool // packs that are of no use
	known   map[sum]bool    // inputs that are in the store
	memo    map[string]stamp
	pulled  largest // files that Pull has written
	pushed  account // of all pushes
}

type sum [sha256.Size]byte

// account counts inputs.
type account struct {
	files int
	bytes int64
}

// Open returns the corpus of that name. It talks to nobody, and there need not be
// one yet.
func Open(blobs target.Blobs, name Name, opts Options) *Corpus {
	return open(blobs, name, name.prefix(), opts)
}

// OpenAt opens a corpus by its path, as List gives it: a name that is longer than a
// component cannot be told from that.
func OpenAt(blobs target.Blobs, path string, opts Options) *Corpus {
	parts := append(strings.Split(path, "/"), "", "", "")
	return open(blobs, Name{textOf(parts[1]), textOf(parts[2]), textOf(parts[3])}, path, opts)
}

func open(blobs target.Blobs, name Name, prefix string, opts Options) *Corpus {
	return &Corpus{
		blobs: blobs, name: name, prefix: prefix, opts: opts.withDefaults(),
		read: map[string]bool{}, covered: map[string]bool{}, damaged: map[string]bool{},
		known: map[sum]bool{}, memo: map[string]stamp{},
	}
}

// Name returns the corpus's name.
func (c *Corpus) Name() Name { return c.name }

// list returns the packs, the newest first, and when some run last pulled.
func (c *Corpus) list(ctx context.Context) (packs []pack, used time.Time, err error) {
	for info, err := range c.blobs.ListBlobs(ctx, c.prefix) {
		if err != nil {
			return nil, used, err
		}
		if path.Base(info.Key) == usedName {
			used = info.Modified
		} else if p, ok := parsePack(info); ok {
			packs = append(packs, p)
		}
	}
	slices.SortFunc(packs, newestFirst)
	return packs, used, nil
}

// failure adds to err what was done; an error without a kind is one of a local
// file, or the end of the context.
func (c *Corpus) failure(op string, err error) error {
	e := &cordon.Error{Op: op, Name: fmt.Sprintf("%q", c.name.String()), Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), cordon.KindOf(err) != "":
	case noSpace(err):
		e.Kind, e.Fix = cordon.NoSpace, "make room on the disk"
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Fix = cordon.PermissionDenied, fmt.Sprintf("give the user with id %d access to it", os.Geteuid())
	default:
		e.Kind, e.Fix = cordon.StorageUnavailable, "check the directory and its disk"
	}
	return e
}
