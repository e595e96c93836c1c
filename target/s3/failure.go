package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
)

// failure turns what minio-go says into an error for people: the kind decides
// whether callers try again. name is what the call was about, object the key or
// "" where it was about the bucket.
func (s *Store) failure(ctx context.Context, op, name, bucket, object string, err error) *cordon.Error {
	e := &cordon.Error{Op: op, Name: name}
	if cerr := ctx.Err(); cerr != nil {
		e.Err = cerr
		return e
	}
	if cordon.KindOf(err) != "" {
		e.Err = err
		return e
	}
	if errors.Is(err, errNoCredentials) {
		e.Kind, e.Err, e.Fix = cordon.PermissionDenied, err, "set S3_ACCESS_KEY and S3_SECRET_KEY"
		return e
	}
	resp := minio.ToErrorResponse(err)
	if resp.StatusCode == 0 && resp.Code == "" {
		return s.unreachable(e, err)
	}
	if resp.StatusCode == 0 { // minio-go's own verdict on an answer that reads like a success
		return s.notS3(e)
	}
	said := fmt.Errorf("%s answered %s (%d): %s", s.url, resp.Code, resp.StatusCode, brief(resp.Message))
	code := resp.Code
	if code == minio.NoSuchKey && !s.bucketIsThere(ctx, bucket) {
		code = minio.NoSuchBucket // HEAD has no body that could tell the two apart
	}
	switch code {
	case minio.NoSuchBucket:
		e.Kind, e.Err = cordon.TargetNotFound, fmt.Errorf("%s has no bucket %q", s.url, bucket)
		e.Fix = "create the bucket, or check the bucket's name and S3_ENDPOINT"
	case minio.NoSuchKey:
		e.Kind, e.Err = cordon.TargetNotFound, fmt.Errorf("bucket %q at %s has no object %q", bucket, s.url, object)
		e.Fix = "check the id, and that it was put into this bucket"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "InvalidToken", "ExpiredToken":
		e.Kind, e.Err, e.Fix = cordon.PermissionDenied, said, "check S3_ACCESS_KEY and S3_SECRET_KEY"
	case "RequestTimeTooSkewed":
		e.Kind, e.Err, e.Fix = cordon.PermissionDenied, said, "set this machine's clock"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", minio.InvalidRegion:
		e.Kind, e.Err, e.Fix = cordon.PermissionDenied, said, s.regionFix(resp.Region)
	case "EntityTooLarge":
		e.Kind, e.Err, e.Fix = cordon.TargetTooLarge, said, "raise the server's limit, or upload less"
	case "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded":
		e.Kind, e.Err, e.Fix = cordon.NoSpace, said, "make room in the store"
	default:
		switch {
		case resp.Region != "" && resp.Region != s.region && (resp.StatusCode == 400 || resp.StatusCode/100 == 3):
			// A HEAD is answered without a code: that the bucket is of another
			// region than the request was signed for is the reason that is left.
			e.Kind, e.Err, e.Fix = cordon.PermissionDenied, said, s.regionFix(resp.Region)
		case resp.StatusCode == 401 || resp.StatusCode == 403:
			e.Kind, e.Err = cordon.PermissionDenied, said
			e.Fix = fmt.Sprintf("check S3_ACCESS_KEY and S3_SECRET_KEY, and that they may use bucket %q (AWS also answers so for a missing object where listing is not allowed)", bucket)
		case resp.StatusCode == 400 && strings.HasPrefix(resp.Code, "400") && !s.secure:
			// No S3 server answers without a code of its own, but this is what the
			// TLS port of most servers says to plain HTTP.
			e.Kind, e.Err, e.Fix = cordon.StorageUnavailable, said, "use https:// in S3_ENDPOINT if the server speaks TLS"
		case resp.StatusCode >= 300 && resp.StatusCode < 500 && resp.StatusCode != 408 && resp.StatusCode != 429:
			// The server understood and will say the same again.
			e.Kind, e.Err, e.Fix = cordon.StorageUnavailable, said, "check S3_ENDPOINT and the server's log"
		default:
			e.Kind, e.Err, e.Fix = cordon.StorageUnavailable, said, "try again later, or check the server"
		}
	}
	return e
}

// regionFix is the advice where the bucket is not of the region that requests
// are signed for. said is the region that the server named, or "".
func (s *Store) regionFix(said string) string {
	if said == "" || said == s.region {
		return fmt.Sprintf("set S3_REGION to the bucket's region (it is %q)", s.region)
	}
	return fmt.Sprintf("set S3_REGION to %q, the bucket's region (it is %q)", brief(said), s.region)
}

// notS3 is the error of an answer without what every S3 server says of an object.
func (s *Store) notS3(e *cordon.Error) *cordon.Error {
	e.Kind = cordon.StorageUnavailable
	e.Err = fmt.Errorf("the server at %s does not answer as an S3 server does: no ETag, no size or no time", s.url)
	e.Fix = "check that S3_ENDPOINT is the server's S3 port and that no proxy drops headers"
	return e
}

// bucketIsThere reports whether the bucket exists, or may.
func (s *Store) bucketIsThere(ctx context.Context, bucket string) bool {
	ok, err := s.core.BucketExists(ctx, bucket)
	return ok || err != nil
}

// unreachable is the error of a request that no S3 answer came to.
func (s *Store) unreachable(e *cordon.Error, err error) *cordon.Error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // without the request's URL, which is long and says nothing new
	}
	e.Kind = cordon.StorageUnavailable
	e.Fix = "check S3_ENDPOINT, and that the server runs and can be reached from here"
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		dns       *net.DNSError
	)
	switch {
	case errors.As(err, &record) || strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		e.Fix = "use http:// in S3_ENDPOINT: the server does not speak TLS"
	case errors.As(err, &authority):
		e.Fix = "add the server's authority to the system's certificates, or name it in SSL_CERT_FILE"
	case errors.As(err, &host):
		e.Fix = "use the name in S3_ENDPOINT that is in the server's certificate"
	case errors.As(err, &dns):
		e.Fix = "check the host in S3_ENDPOINT"
	case strings.HasPrefix(err.Error(), "Connection closed by foreign host"): // minio-go's words for an EOF, with the long URL
		err = errors.New("it closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("nothing arrived for too long: %w", err)
	}
	e.Err = fmt.Errorf("cannot talk to %s: %w", s.url, err)
	return e
}

// maxSaid is how much of a server's own message is repeated, in bytes: one line
// of a terminal or two.
const maxSaid = 200

// brief makes a server's message fit into ours.
func brief(msg string) string {
	msg = strings.Join(strings.Fields(strings.ToValidUTF8(msg, "")), " ")
	if len(msg) > maxSaid {
		msg = strings.ToValidUTF8(msg[:maxSaid], "") + "…"
	}
	return msg
}

// afterTheEnd returns a context for tidying up behind a call whose own context
// may be over. Five seconds are what a cancelled activity has (CONTRACT §1.6).
func afterTheEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
}
