package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
)

// kept is an input that was packed and stays in the user's cache folder, and
// what the file beside it says of it.
type kept struct {
	path string

	Recipe string `json:"recipe"` // how it was made
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	contents
}

// contents are what the object holds.
type contents struct {
	Files     int64 `json:"files"` // regular ones
	TreeBytes int64 `json:"tree_bytes"`
	Inodes    int64 `json:"inodes"`
	Window    int64 `json:"window"` // bytes that a decoder must look back
}

// recipes say how each format is made. Whoever changes one, or what a generated
// tree consists of, changes its text: what was kept is then made anew.
var recipes = map[string]string{
	"tar": "as it is, 1", "tar.gz": "gzip -6, 1", "tar.zst": "zstd -3, 1", "tar.xz": "as Debian ships it, 1", "zip": "zip -qry, 1", image: "as it is, 1",
}

// file is the name that the input is kept under.
func (in *input) file() string {
	if in.quick && in.tree.name != "kernel" {
		return "cold-quick-" + in.name
	}
	return "cold-" + in.name
}

// keptBytes is about what packing the input takes in the cache folder: of the
// kernel with Debian's package and archive, which any format is made of, and for
// a zip with the tree.
func (in *input) keptBytes() int64 {
	sum := in.object
	if in.tree.name == "kernel" {
		sum += 300 * cordon.MB
	}
	if in.format == "zip" {
		sum += in.treeDisk()
	}
	return sum
}

// isThere reports whether the input seems to be kept in dir.
func (in *input) isThere(dir string) bool {
	path := filepath.Join(dir, in.file())
	k, err := readKept(path)
	info, serr := os.Stat(path)
	return err == nil && serr == nil && k.Recipe == recipes[in.format] && info.Size() == k.Bytes
}

func readKept(path string) (k kept, err error) {
	b, err := os.ReadFile(path + ".json")
	if err != nil {
		return kept{}, err
	}
	err = json.Unmarshal(b, &k)
	k.path = path
	return k, err
}

// keep makes sure that the packed input is in the user's cache folder, whole.
func (in *input) keep(ctx context.Context) error {
	dir, err := lab.KeepDir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, in.file())
	if in.isThere(dir) {
		if in.kept, err = readKept(path); err != nil {
			return err
		}
		sum, err := digest(path)
		if err != nil {
			return err
		}
		if sum == in.SHA256 {
			return nil
		}
	}
	k := kept{path: path, Recipe: recipes[in.format]}
	part := path + ".part"
	defer os.RemoveAll(part) // there only where packing failed
	if err := in.pack(ctx, part); err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if k.contents, err = in.look(ctx, part); err != nil {
		return fmt.Errorf("look at what was packed: %w", err)
	}
	if k.SHA256, err = digest(part); err != nil {
		return err
	}
	info, err := os.Stat(part)
	if err != nil {
		return err
	}
	k.Bytes = info.Size()
	record, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".json", record, 0o644); err != nil {
		return err
	}
	in.kept = k
	return os.Rename(part, path) // a record of another file is found out by size or digest
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, f, make([]byte, 1<<20))
	return hex.EncodeToString(sum.Sum(nil)), err
}

// pack makes the object to.
func (in *input) pack(ctx context.Context, to string) error {
	switch in.format {
	case "tar.xz":
		return kernelShipped(ctx, to)
	case "zip":
		return in.zip(ctx, to)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	switch in.format {
	case "tar.gz":
		err = pipe(ctx, in.tree.pour, f, "gzip", "-6", "-c")
	case "tar.zst":
		err = pipe(ctx, in.tree.pour, f, "zstd", "-3", "-q", "-c")
	default:
		err = in.tree.pour(ctx, f, in.format)
	}
	return errors.Join(err, f.Close())
}

// zip packs the tree with Info-ZIP, which needs it as files.
func (in *input) zip(ctx context.Context, to string) error {
	dir, err := os.MkdirTemp(filepath.Dir(to), "zip-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // a leftover is only in the way of whoever looks
	if err := pipe(ctx, in.tree.pour, io.Discard, "tar", "-C", dir, "-xf", "-"); err != nil {
		return err
	}
	made := dir + ".zip"
	defer os.Remove(made) // there only where it failed
	if err := lab.CommandIn(ctx, dir, "zip", "-qry", made, "."); err != nil {
		return err
	}
	return os.Rename(made, to)
}

// pipe runs a program that reads what pour writes, or nothing, and writes into out.
func pipe(ctx context.Context, pour func(context.Context, io.Writer, string) error, out io.Writer, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = out, &said
	poured := make(chan error, 1)
	if pour == nil {
		poured <- nil
	} else {
		r, w := io.Pipe()
		c.Stdin = r
		go func() {
			err := pour(ctx, w, "tar")
			w.CloseWithError(err) // without one, the end of the input
			poured <- err
		}()
		defer r.Close() // so that pour ends where the program did not read all of it
	}
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", c, err, strings.TrimSpace(said.String()))
	}
	return <-poured
}
