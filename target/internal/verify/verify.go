// Package verify checks bytes against what their sender said of them, while
// they pass.
package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Reader passes on what another reader yields. It says io.EOF only when the
// bytes were as many and the very ones that were stated; else it fails with
// IntegrityMismatch. An error, once returned, is returned for ever, so whoever
// stores the bytes must see io.EOF before it publishes them.
type Reader struct {
	ctx  context.Context
	r    io.Reader
	want target.PutOptions
	name string
	sum  hash.Hash // nil where no digest was stated
	n    int64
	err  error
}

// New returns a Reader of r that ends with ctx. name is what the bytes are
// called in errors. A digest that is none is an InvalidArgument error.
func New(ctx context.Context, r io.Reader, name string, want target.PutOptions) (*Reader, error) {
	v := &Reader{ctx: ctx, r: r, want: want, name: name}
	if want.SHA256 != "" {
		if Digest(want.SHA256) == "" {
			return nil, &cordon.Error{
				Kind: cordon.InvalidArgument,
				Op:   "check sha256",
				Name: fmt.Sprintf("%.80q", want.SHA256),
				Err:  errors.New("it is not the hex form of a SHA-256 digest"),
				Fix:  "give 64 hex digits, or nothing",
			}
		}
		v.want.SHA256 = Digest(want.SHA256)
		v.sum = sha256.New()
	}
	return v, nil
}

// Want returns what was stated, the digest in lower case.
func (v *Reader) Want() target.PutOptions { return v.want }

// N returns how many bytes have passed.
func (v *Reader) N() int64 { return v.n }

// Err returns the error that ended the bytes too early, or nil: the other
// reader's, a mismatch, or the context's. It tells them from the errors of
// whoever stores the bytes.
func (v *Reader) Err() error {
	if v.err == io.EOF {
		return nil
	}
	return v.err
}

func (v *Reader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if err := v.ctx.Err(); err != nil {
		v.err = err
		return 0, err
	}
	n, err := v.r.Read(p)
	v.n += int64(n)
	if v.sum != nil {
		v.sum.Write(p[:n])
	}
	if err == nil && v.want.Size >= 0 && v.n > v.want.Size {
		err = v.mismatch(fmt.Errorf("more than the %d bytes that were announced arrived", v.want.Size))
	}
	if err == io.EOF {
		err = v.atEnd()
	}
	v.err = err
	return n, err
}

func (v *Reader) atEnd() error {
	if v.want.Size >= 0 && v.n != v.want.Size {
		return v.mismatch(fmt.Errorf("%d bytes arrived where %d were announced", v.n, v.want.Size))
	}
	if v.sum != nil {
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.SHA256 {
			return v.mismatch(fmt.Errorf("the bytes have the sha256 %s, announced was %s", got, v.want.SHA256))
		}
	}
	return io.EOF
}

func (v *Reader) mismatch(err error) error {
	return &cordon.Error{
		Kind: cordon.IntegrityMismatch,
		Op:   "check",
		Name: v.name,
		Err:  err,
		Fix:  "send it again from an unchanging source",
	}
}

// Digest returns s in lower case if it is the hex form of a SHA-256 digest, else "".
func Digest(s string) string {
	if len(s) != hex.EncodedLen(sha256.Size) {
		return ""
	}
	if _, err := hex.DecodeString(s); err != nil {
		return ""
	}
	return strings.ToLower(s)
}
