package corpus

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/target"
)

// window is how far back packs are compressed, and how much memory reading one
// takes, in bytes.
const window = 4 << 20

// supersedesName is the first member of a version.
const supersedesName = "supersedes.json"

// supersedes is what that member holds.
type supersedes struct {
	Version int      `json:"version"` // of this form: 1
	Packs   []string `json:"packs"`   // names of packs of this corpus
}

// writer makes a pack in a file that has no name, and so is gone with its process.
type writer struct {
	f    *os.File
	zstd *zstd.Encoder
	tar  *tar.Writer
	account
}

func newWriter(dir string) (*writer, error) {
	f, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	w := &writer{f: f}
	if w.zstd, err = zstd.NewWriter(f, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1)); err != nil {
		f.Close()
		return nil, err
	}
	w.tar = tar.NewWriter(w.zstd)
	return w, nil
}

// nameless returns a new file in dir without a name. On a file system that makes none
// it has one for an instant.
func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	f, err := os.CreateTemp(dir, "cordon-pack-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// supersede writes the first member of a version.
func (w *writer) supersede(packs []string) error {
	b, err := json.Marshal(supersedes{Version: 1, Packs: packs})
	if err != nil {
		return err
	}
	return w.member(supersedesName, b)
}

// add adds an input.
func (w *writer) add(s sum, body []byte) error {
	w.files++
	w.bytes += int64(len(body))
	return w.member(hex.EncodeToString(s[:]), body)
}

func (w *writer) member(name string, body []byte) error {
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body)), Format: tar.FormatUSTAR})
	if err == nil {
		_, err = w.tar.Write(body)
	}
	return err
}

// put ends the pack and stores it under key.
func (w *writer) put(ctx context.Context, blobs target.Blobs, key string) (size int64, err error) {
	if err = w.tar.Close(); err == nil {
		err = w.zstd.Close()
	}
	if err == nil {
		size, err = w.f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = w.f.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = blobs.PutBlob(ctx, key, w.f, size, target.PutBlob{ContentType: packType})
	}
	return size, err
}

// close throws away what was not put.
func (w *writer) close() {
	_ = w.zstd.Close() // what it would still write is not wanted, or written already
	_ = w.f.Close()    // nobody else ever sees the file
}
