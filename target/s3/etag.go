package s3

import (
	"crypto/md5" // not for security: it is the digest that servers have
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// etagSum checks the bytes of an object against its ETag. A nil one checks nothing.
type etagSum struct {
	info target.Info
	sum  hash.Hash
}

// newETagSum returns nil unless the ETag in the answer with that header is known
// to be the MD5 of the bytes, and nothing better is known: an uploader's SHA-256
// is checked by whoever reads.
func newETagSum(info target.Info, header http.Header) *etagSum {
	if info.SHA256 != "" || !isMD5(info.ETag) || !truthful(header) {
		return nil
	}
	return &etagSum{info: info, sum: md5.New()}
}

func isMD5(etag string) bool {
	b, err := hex.DecodeString(etag)
	return err == nil && len(b) == md5.Size
}

// truthful reports whether the server that sent header makes ETags of MD5s where
// they look like some. An ETag is opaque by right, and of encrypted objects it is
// something else.
func truthful(header http.Header) bool {
	for name := range header {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-server-side-encryption") {
			return false
		}
	}
	server := header.Get("Server")
	return server == "AmazonS3" || strings.HasPrefix(server, "MinIO")
}

func (s *etagSum) write(p []byte) {
	if s != nil {
		s.sum.Write(p)
	}
}

// check returns an error if the bytes, all of which have been written, are not
// those of the object.
func (s *etagSum) check() error {
	if s == nil {
		return nil
	}
	got := hex.EncodeToString(s.sum.Sum(nil))
	if strings.EqualFold(got, s.info.ETag) {
		return nil
	}
	return &cordon.Error{
		Kind: cordon.IntegrityMismatch,
		Op:   "read target",
		Name: s.info.ID.String(),
		Err:  fmt.Errorf("the bytes that arrived have the MD5 %s, the stored ones have %s", got, s.info.ETag),
		Fix:  "fetch it again; if that fails too, put the target anew and check the store's disks",
	}
}
