package worker

import (
	"errors"
	"log/slog"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/s3"
)

// Store is an object store as a worker needs it: targets, results and blobs.
type Store interface {
	target.Store
	target.Results
	target.Blobs
}

// OpenStore opens the store that cfg names: S3 where it has an endpoint, else the
// directory store (CONTRACT §4). A configuration that names none, or one that
// cannot be used, is InvalidArgument.
func OpenStore(cfg config.Worker, log *slog.Logger) (Store, error) {
	switch {
	case cfg.S3.Endpoint != "":
		return s3.Open(s3.Config{
			Endpoint:    cfg.S3.Endpoint,
			UseSSL:      cfg.S3.UseSSL,
			AccessKey:   string(cfg.S3.AccessKey),
			SecretKey:   string(cfg.S3.SecretKey),
			Bucket:      cfg.S3.Bucket,
			BlobsBucket: cfg.S3.FuzzingBucket,
			Region:      cfg.S3.Region,
			Log:         log,
		})
	case cfg.StoreDir != "":
		return dir.Open(cfg.StoreDir)
	}
	return nil, &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "open the object store",
		Err:  errors.New("none is configured"),
		Fix:  "set S3_ENDPOINT, or name a directory with --store or CORDON_STORE",
	}
}
