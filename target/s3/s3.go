// Package s3 keeps targets, results and blobs in buckets of an S3 server (CONTRACT §5):
//
//	{Bucket}/{target_id}/target                           a target
//	{ResultsBucket}/{workflow_id}/results.{json|sarif}    a result
//	{BlobsBucket}/{key}                                   a blob
//
// Any server will do that speaks S3; it is held against MinIO, versitygw and Ceph. It needs GET with
// If-Match, HEAD, PUT, multipart uploads, DELETE and ListObjectsV2. Large objects
// come faster from one that knows Range, and uploads are continued on one that
// lists unfinished ones.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/internal/verify"
)

// Config says which server, and as whom. There are no default credentials.
type Config struct {
	Endpoint string // host, host:port, or an http(s) URL of that; required
	UseSSL   bool   // https, where Endpoint has no scheme

	// AccessKey and SecretKey are the static keys. If both are empty the usual
	// places of AWS are asked: AWS_ACCESS_KEY_ID and its like, the shared
	// credentials file, the cloud's credential service.
	AccessKey, SecretKey string

	Bucket        string // "targets" if empty
	ResultsBucket string // "results" if empty
	BlobsBucket   string // "fuzzing" if empty
	Region        string // if empty: the region in an AWS endpoint's name, AWS_REGION, AWS_DEFAULT_REGION or "us-east-1"

	Log *slog.Logger // slog.Default() if nil
}

const (
	defaultBucket        = "targets"
	defaultResultsBucket = "results"
	defaultBlobsBucket   = "fuzzing"
	defaultRegion        = "us-east-1"
	objectSuffix         = "/target"

	// digestMeta is the user metadata with the stated digest. It has no
	// underscore, for proxies drop headers that have one (CONTRACT §5).
	digestMeta = "Sha256"
)

// Store is an S3 store. It implements target.Store, target.Results and
// target.Blobs, and is safe for concurrent use.
type Store struct {
	core    *minio.Core // tries a request several times
	once    *minio.Core // tries it once: for transfers, which have their own patience
	limits  limits
	part    int64  // bytes of a part of an upload, at least
	url     string // of the server, with scheme
	secure  bool   // https
	bucket  string
	blobs   string // the bucket for them
	results string
	region  string
	log     *slog.Logger
}

var (
	_ target.Store   = (*Store)(nil)
	_ target.Results = (*Store)(nil)
	_ target.Blobs   = (*Store)(nil)
)

// Open returns the store that cfg describes. It talks to nobody: that the
// server is there shows at the first call. A Config that cannot be used is an
// InvalidArgument error.
func Open(cfg Config) (*Store, error) { return open(cfg, defaultLimits) }

func open(cfg Config, l limits) (*Store, error) {
	ep, err := parseEndpoint(cfg.Endpoint, cfg.UseSSL)
	if err != nil {
		return nil, err
	}
	bad := func(err error, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "open S3 store", Name: ep.url(), Err: err, Fix: fix}
	}
	if (cfg.AccessKey == "") != (cfg.SecretKey == "") {
		return nil, bad(errors.New("only one of access key and secret key is set"), "set both S3_ACCESS_KEY and S3_SECRET_KEY, or neither")
	}
	s := &Store{
		limits:  l,
		part:    minPart,
		url:     ep.url(),
		secure:  ep.secure,
		bucket:  cmp.Or(cfg.Bucket, defaultBucket),
		results: cmp.Or(cfg.ResultsBucket, defaultResultsBucket),
		blobs:   cmp.Or(cfg.BlobsBucket, defaultBlobsBucket),
		region:  cmp.Or(cfg.Region, ep.region(), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), defaultRegion),
		log:     cmp.Or(cfg.Log, slog.Default()),
	}
	for _, b := range []string{s.bucket, s.results, s.blobs} {
		if err := s3utils.CheckValidBucketName(b); err != nil {
			return nil, bad(fmt.Errorf("bucket %q: %w", b, err), "use a legal bucket name")
		}
	}
	options := minio.Options{
		Creds:     credentialsOf(cfg),
		Secure:    ep.secure,
		Transport: newTransport(l),
		Region:    s.region, // given, so that no request is spent on asking for it
		// Automatic means path style everywhere but at AWS and its likes.
		BucketLookup: minio.BucketLookupAuto,
		MaxRetries:   l.attempt,
	}
	if s.core, err = minio.NewCore(ep.host, &options); err != nil {
		return nil, bad(err, "correct S3_ENDPOINT")
	}
	options.MaxRetries = 1
	if s.once, err = minio.NewCore(ep.host, &options); err != nil {
		return nil, bad(err, "correct S3_ENDPOINT")
	}
	return s, nil
}

// Endpoint returns the server's URL: scheme, host and port.
func (s *Store) Endpoint() string { return s.url }

func key(id cordon.TargetID) string { return id.String() + objectSuffix }

// Stat implements target.Source.
func (s *Store) Stat(ctx context.Context, id cordon.TargetID) (target.Info, error) {
	var o minio.ObjectInfo
	err := s.persist(ctx, s.target(id), 1, func() (err error) {
		o, err = s.core.StatObject(ctx, s.bucket, key(id), minio.StatObjectOptions{})
		return err
	})
	if err != nil {
		return target.Info{}, s.failure(ctx, "stat target", id.String(), s.bucket, key(id), err)
	}
	return s.info("stat target", s.target(id), o)
}

// info describes the object o, which must have what every S3 server says of one.
func (s *Store) info(op string, at place, o minio.ObjectInfo) (target.Info, error) {
	if o.ETag == "" || o.Size < 0 {
		return target.Info{}, s.notS3(&cordon.Error{Op: op, Name: at.name})
	}
	digest := ""
	for k, v := range o.UserMetadata {
		if strings.EqualFold(k, digestMeta) {
			digest = verify.Digest(v)
		}
	}
	return target.Info{ID: at.id, Size: o.Size, ETag: cleanETag(o.ETag), SHA256: digest, Modified: o.LastModified}, nil
}

// List implements target.Store. The infos are without SHA256: a listing does
// not hold metadata. All of it is read before the first target is yielded, for
// a server lists "a-b/target" before "a/target".
func (s *Store) List(ctx context.Context) iter.Seq2[target.Info, error] {
	const op = "list targets"
	return func(yield func(target.Info, error) bool) {
		var infos []target.Info
		var err error
		for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				err = o.Err
				break
			}
			name, ok := strings.CutSuffix(o.Key, objectSuffix)
			if !ok {
				continue
			}
			id, err := cordon.ParseTargetID(name)
			if err != nil {
				s.log.WarnContext(ctx, "Object passed over: its key is not that of a target", "bucket", s.bucket, "key", o.Key, "error", err)
				continue
			}
			infos = append(infos, target.Info{ID: id, Size: o.Size, ETag: o.ETag, Modified: o.LastModified})
		}
		if err == nil {
			err = ctx.Err() // the listing just ends when its context does
		}
		if err != nil {
			yield(target.Info{}, s.failure(ctx, op, "", s.bucket, "", err))
			return
		}
		slices.SortFunc(infos, func(a, b target.Info) int { return strings.Compare(a.ID.String(), b.ID.String()) })
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Remove implements target.Store.
func (s *Store) Remove(ctx context.Context, id cordon.TargetID) error {
	const op = "remove target"
	// S3 deletes what does not exist with success: look first.
	_, err := s.core.StatObject(ctx, s.bucket, key(id), minio.StatObjectOptions{})
	if err == nil {
		err = s.core.RemoveObject(ctx, s.bucket, key(id), minio.RemoveObjectOptions{})
	}
	if err != nil {
		return s.failure(ctx, op, id.String(), s.bucket, key(id), err)
	}
	return nil
}
