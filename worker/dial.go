package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

// dial connects to Temporal. A server that does not answer within dialTimeout is
// a StorageUnavailable error that names its address.
func dial(ctx context.Context, opts client.Options, logger *slog.Logger) (client.Client, error) {
	opts.Logger = log.NewStructuredLogger(slog.New(quiet{logger.Handler()}))
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(dialing, opts)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, unreachable(opts, err)
	}
	return c, nil
}

// unreachable says of an error of Temporal's which server and namespace it is
// about, and what to do.
func unreachable(opts client.Options, err error) error {
	e := &cordon.Error{
		Kind: cordon.StorageUnavailable,
		Op:   "reach Temporal at",
		Name: cmp.Or(opts.HostPort, config.DefaultTemporalAddress),
		Err:  err,
		Fix:  "start the server, or correct TEMPORAL_ADDRESS",
	}
	var noNamespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case errors.As(err, &noNamespace):
		e.Kind = cordon.InvalidArgument
		e.Err = fmt.Errorf("it has no namespace %q", opts.Namespace)
		e.Fix = "create the namespace, or correct TEMPORAL_NAMESPACE"
	case errors.As(err, &denied):
		e.Kind = cordon.PermissionDenied
		e.Fix = "correct TEMPORAL_API_KEY or the client certificate"
	}
	return e
}
