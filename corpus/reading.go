package corpus

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// What a pack may hold at most. Ours have less by far; what has more is meant to
// keep its readers busy.
const (
	maxPackBytes   = 4 << 30  // unpacked; a version may have 3 GiB of inputs, and a kilobyte more for each
	maxPackMembers = 1 << 20  // a million inputs, and what it supersedes
	maxSupersedes  = 16 << 20 // bytes of supersedes.json: some 200,000 names
)

// reader reads a pack.
type reader struct {
	// maxInput is the size of the largest input that is wanted, in bytes.
	maxInput int64
	// supersedes, if not nil, is told what the pack supersedes; with stop the
	// reading ends there.
	supersedes func(packs []string)
	stop       bool
	// input is told of each input; body is its own only during the call.
	input func(s sum, body []byte) error

	larger int // inputs that were passed over for their size
	buf    []byte
}

// damageError says that a pack is not one, or not all of it.
type damageError struct{ error }

func damaged(format string, args ...any) error { return damageError{fmt.Errorf(format, args...)} }

// read reads the pack in src to its end. An error is that of src; a damageError; or
// the one of input.
func (r *reader) read(src io.Reader) error {
	from := &source{r: src}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(2*window))
	if err != nil {
		return err
	}
	defer z.Close()
	plain := &io.LimitedReader{R: z, N: maxPackBytes}
	err = r.members(tar.NewReader(plain))
	if err == nil && !r.stop {
		// The checksum of the last frame comes after all that tar wants.
		_, err = io.Copy(io.Discard, plain)
		if err != nil {
			err = damaged("its end: %w", err)
		} else if plain.N == 0 {
			err = damaged("it unpacks to more than %d bytes", int64(maxPackBytes))
		}
	}
	var d damageError
	if from.err != nil && (err == nil || errors.As(err, &d)) {
		return from.err
	}
	return err
}

func (r *reader) members(t *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF && n > 0 {
			return nil
		}
		switch {
		case err != nil:
			return damaged("member %d: %w", n+1, err)
		case n == maxPackMembers:
			return damaged("it has more than %d members", maxPackMembers)
		case h.Typeflag != tar.TypeReg || h.Size < 0:
			return damaged("member %d is no file", n+1)
		}
		if h.Name == supersedesName && n == 0 {
			if err := r.readSupersedes(t, h.Size); err != nil || r.stop {
				return err
			}
			continue
		}
		if err := r.readInput(t, h); err != nil {
			return err
		}
	}
}

func (r *reader) readSupersedes(t *tar.Reader, size int64) error {
	if size > maxSupersedes {
		return damaged("%s has %d bytes", supersedesName, size)
	}
	b, err := io.ReadAll(t)
	if err != nil {
		return damaged("%s: %w", supersedesName, err)
	}
	var s supersedes
	if err := json.Unmarshal(b, &s); err != nil {
		return damaged("%s: %w", supersedesName, err)
	}
	if s.Version != 1 {
		return damaged("%s is of version %d, which is not known here", supersedesName, s.Version)
	}
	if r.supersedes != nil {
		r.supersedes(s.Packs)
	}
	return nil
}

func (r *reader) readInput(t *tar.Reader, h *tar.Header) error {
	var want sum
	b, err := hex.DecodeString(h.Name)
	if err != nil || len(b) != len(want) || strings.ToLower(h.Name) != h.Name {
		return damaged("%.80q is not the name of an input", h.Name)
	}
	copy(want[:], b)
	if h.Size > r.maxInput {
		r.larger++
		return nil
	}
	if int64(cap(r.buf)) < h.Size {
		r.buf = make([]byte, h.Size)
	}
	body := r.buf[:h.Size]
	if _, err := io.ReadFull(t, body); err != nil {
		return damaged("input %s: %w", h.Name, err)
	}
	if sha256.Sum256(body) != want {
		return damaged("input %s has other content", h.Name)
	}
	if r.input == nil {
		return nil
	}
	return r.input(want, body)
}

// source remembers the error of the store, which what reads it may disguise.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
