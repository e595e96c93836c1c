package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/pack"
)

// input is what workspaces are made of: a target in an object store.
type input struct {
	name string

	// What it takes at most, in bytes: for finding out whether the disk has room.
	tree, object int64

	files   []bigFile // that are written to; none: no first write is measured
	lone    bool      // the target is a file, not a tree
	reading bool      // there are files enough to measure reading

	// fill makes the folder or the file that is uploaded. work is for what it needs meanwhile.
	fill func(ctx context.Context, work, path string) error

	store   *dir.Store
	target  cordon.TargetID
	summary pack.Summary
}

// bigFile is a file of the input that a workspace is written to.
type bigFile struct {
	Name  string `json:"name"` // below the workspace; empty: the workspace is the file
	Bytes int64  `json:"bytes"`
}

// inputs by name. Quick ones are for trying the command out.
var inputs = map[string]func(quick bool) *input{
	"small":  func(bool) *input { return smallInput() },
	"kernel": func(bool) *input { return kernelInput() },
	"large":  largeInput,
	"file":   fileInput,
}

// inputNames in the order in which they are taken: what is quick first.
func inputNames() []string { return []string{"small", "kernel", "large", "file"} }

func smallInput() *input {
	const dirs, each = 50, 40
	return &input{name: "small", tree: 32 * cordon.MB, object: 32 * cordon.MB, reading: true,
		fill: func(_ context.Context, _, path string) error {
			for d := range dirs {
				sub := filepath.Join(path, fmt.Sprintf("dir%02d", d))
				if err := os.MkdirAll(sub, 0o755); err != nil {
					return err
				}
				for f := range each {
					// As in source trees, most are small and some are not: 0 to 30 kB.
					size := int64(f) * int64(f) * 20
					if err := writeFile(filepath.Join(sub, fmt.Sprintf("file%02d.c", f)), size, uint64(d*each+f)); err != nil {
						return err
					}
				}
			}
			return nil
		}}
}

func kernelInput() *input {
	return &input{name: "kernel", tree: 1800 * cordon.MB, object: 300 * cordon.MB, reading: true, fill: func(ctx context.Context, work, path string) error {
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		return kernelTree(ctx, work, path)
	}}
}

// Sizes of the files of the inputs large and file.
const (
	bigBytes, quickBigBytes = 5 * cordon.GB, 200 * cordon.MB
	midBytes, quickMidBytes = 100 * cordon.MB, 20 * cordon.MB
)

func largeInput(quick bool) *input {
	big, mid := bigFile{"big.img", bigBytes}, bigFile{"mid.img", midBytes}
	if quick {
		big.Bytes, mid.Bytes = quickBigBytes, quickMidBytes
	}
	sum := big.Bytes + mid.Bytes
	return &input{name: "large", tree: sum, object: sum / 2, files: []bigFile{big, mid}, fill: func(_ context.Context, _, path string) error {
		return errors.Join(os.Mkdir(path, 0o755),
			writeFile(filepath.Join(path, big.Name), big.Bytes, 1), writeFile(filepath.Join(path, mid.Name), mid.Bytes, 2))
	}}
}

func fileInput(quick bool) *input {
	big := bigFile{"", bigBytes}
	if quick {
		big.Bytes = quickBigBytes
	}
	return &input{name: "file", tree: big.Bytes, files: []bigFile{big}, lone: true, fill: func(_ context.Context, _, path string) error {
		return writeFile(path, big.Bytes, 1)
	}}
}

// writeFile fills a file with bytes that compress to about a third, as binaries
// do, and that no two blocks share.
func writeFile(path string, size int64, seed uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	random := rand.NewChaCha8(key)
	block := make([]byte, 1<<20)
	for left := size; left > 0 && err == nil; left -= int64(len(block)) {
		for page := 0; page < len(block); page += 3 << 10 {
			_, _ = random.Read(block[page:min(page+1<<10, len(block))]) // it never fails
			copy(block[min(page+1<<10, len(block)):min(page+3<<10, len(block))], block[page:])
		}
		_, err = f.Write(block[:min(left, int64(len(block)))])
	}
	return errors.Join(err, f.Close())
}

// build makes the input and puts it into a store in dir, as 'cordon targets
// upload' does. Only the store stays.
func (in *input) build(ctx context.Context, dirname string) error {
	if err := os.Mkdir(dirname, 0o755); err != nil {
		return err
	}
	source := filepath.Join(dirname, "source")
	if err := in.fill(ctx, dirname, source); err != nil {
		return err
	}
	from, err := pack.Open(source)
	if err != nil {
		return err
	}
	if in.store, err = dir.Open(filepath.Join(dirname, "store")); err != nil {
		return err
	}
	if in.summary, err = from.Hash(ctx, nil); err != nil {
		return err
	}
	var info target.Info
	if info, _, err = from.Upload(ctx, in.store, nil); err != nil {
		return err
	}
	in.target = info.ID
	return os.RemoveAll(source)
}

// crowdOfCopies is how many whole copies are made at once: ten, or as many as
// the disk should be asked to hold.
func (in *input) crowdOfCopies() int {
	if in.tree > 2500*cordon.MB {
		return 1
	}
	return 10
}

// volumeBytes is the size of a file system that the input can be measured on:
// plain tree, base, shared tree, and the copies; all with their objects. A
// quarter and 1 GB is left free, for a full file system is a slow one.
func (in *input) volumeBytes() int64 {
	return int64(3+in.crowdOfCopies())*(in.tree+in.object)*5/4 + cordon.GB
}

// hostBytes is what the disk below must have: the file system, the store, and
// what the store is made of.
func (in *input) hostBytes() int64 { return in.volumeBytes() + in.object + in.tree }

// download fetches the target into the new file object as the engine has to: all
// of it, and its digest with it.
func (in *input) download(ctx context.Context, object string) error {
	body, _, err := in.store.Open(ctx, in.target, "")
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(object)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(io.MultiWriter(f, sha256.New()), body, make([]byte, 1<<20))
	return errors.Join(err, f.Close())
}

// unpack fetches the target into the new file object and extracts it into the
// empty directory tree.
func (in *input) unpack(ctx context.Context, object, tree string) error {
	if err := in.download(ctx, object); err != nil {
		return err
	}
	f, err := os.Open(object)
	if err != nil {
		return err
	}
	defer f.Close()
	return extractInto(ctx, f, tree)
}
