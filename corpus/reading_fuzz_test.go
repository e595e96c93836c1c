package corpus

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzPack reads packs that somebody has made: as a compressed file, and as the
// tar in one, which mutations would otherwise never get to.
func FuzzPack(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range map[string]string{supersedesName: `{"version":1,"packs":["a"]}`, hex.EncodeToString(new(sum)[:]): "x"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), true)
	f.Add([]byte{}, true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00\x99\xe9\xd8\x51"), false)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(z.EncodeAll(b.Bytes(), nil), false)
	f.Fuzz(func(t *testing.T, data []byte, compress bool) {
		if compress {
			data = z.EncodeAll(data, nil)
		}
		r := reader{maxInput: 1 << 16, supersedes: func([]string) {}, input: func(s sum, body []byte) error {
			if sha256.Sum256(body) != [32]byte(s) || len(body) > 1<<16 {
				t.Errorf("an input of %d bytes is not what its name says", len(body))
			}
			return nil
		}}
		if err := r.read(bytes.NewReader(data)); err != nil {
			if _, ok := err.(damageError); !ok {
				t.Errorf("%v is no damage", err)
			}
		}
	})
}
