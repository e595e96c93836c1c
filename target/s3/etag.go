package s3

import (
	"crypto/md5" // not for security: it is the digest that servers have
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// etagSum checks the bytes of an object against its ETag. A nil one checks nothing.
type etagSum struct {
	at   place
	etag string
	sum  hash.Hash
}

// newETagSum returns nil unless the ETag in the answer with that header is known
// to be the MD5 of the bytes, and nothing better is known: an uploader's SHA-256
// is checked by whoever reads.
func newETagSum(at place, info target.Info, header http.Header) *etagSum {
	if info.SHA256 != "" || !isMD5(info.ETag) || !truthful(at.bucket, header) {
		return nil
	}
	return &etagSum{at: at, etag: info.ETag, sum: md5.New()}
}

func isMD5(etag string) bool {
	b, err := hex.DecodeString(etag)
	return err == nil && len(b) == md5.Size
}

// truthful reports whether the server that sent header of an object in bucket
// makes ETags of MD5s where they look like some. An ETag is opaque by right, and
// of encrypted objects it is something else; but AWS, which encrypts everything,
// says that with keys of S3's own it is the MD5, other than in directory buckets.
func truthful(bucket string, header http.Header) bool {
	const encryption = "x-amz-server-side-encryption"
	aws := header.Get("Server") == "AmazonS3" && !strings.HasSuffix(bucket, "--x-s3")
	for name := range header {
		if n := strings.ToLower(name); strings.HasPrefix(n, encryption) && !(aws && n == encryption && header.Get(name) == "AES256") {
			return false
		}
	}
	return aws || strings.HasPrefix(header.Get("Server"), "MinIO")
}

// weak is what the ETags begin with that proxies make which change how bytes are
// sent.
const weak = "W/"

// cleanETag returns an ETag as minio-go hands it on, without the quote that it
// leaves in a weak one.
func cleanETag(etag string) string {
	if rest, ok := strings.CutPrefix(etag, weak); ok {
		return weak + strings.Trim(rest, `"`)
	}
	return etag
}

// sameETag reports whether two ETags are of one version.
func sameETag(a, b string) bool {
	return strings.TrimPrefix(cleanETag(a), weak) == strings.TrimPrefix(cleanETag(b), weak)
}

// ifMatch makes a request one for the version etag, unless that is weak: a weak
// ETag never matches, so the answer's own has to be looked at.
func ifMatch(opts *minio.GetObjectOptions, etag string) {
	if !strings.HasPrefix(etag, weak) {
		opts.Set("If-Match", `"`+etag+`"`)
	}
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
	if strings.EqualFold(got, s.etag) {
		return nil
	}
	return &cordon.Error{
		Kind: cordon.IntegrityMismatch,
		Op:   "read " + s.at.what,
		Name: s.at.name,
		Err:  fmt.Errorf("the bytes that arrived have the MD5 %s, the stored ones have %s", got, s.etag),
		Fix:  "fetch it again; if that fails too, put it anew and check the store's disks",
	}
}
