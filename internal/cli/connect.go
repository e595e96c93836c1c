package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

// connectTimeout is how long a Temporal that does not answer is waited for.
const connectTimeout = 10 * time.Second

func addTemporal(flags *pflag.FlagSet, into *config.TemporalFlags) {
	flags.StringVar(&into.Address, "address", "", "Temporal at `HOST:PORT` (default: TEMPORAL_ADDRESS)")
	flags.StringVar(&into.Namespace, "namespace", "", "Temporal's `NAMESPACE` (default: TEMPORAL_NAMESPACE)")
	flags.StringVar(&into.Profile, "profile", "", "`PROFILE` of Temporal's configuration file (default: TEMPORAL_PROFILE)")
}

// connect returns a client of a Temporal that answers. What the SDK logs is
// discarded: every call's error says the same.
func connect(ctx context.Context, opts client.Options) (client.Client, error) {
	opts.Logger = sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := client.DialContext(dialing, opts)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, temporalFailure(opts, err)
	}
	return c, nil
}

// temporalFailure says of an error of Temporal's which server it is about.
func temporalFailure(opts client.Options, err error) error {
	e := &cordon.Error{
		Kind: cordon.StorageUnavailable, Op: "reach Temporal at", Name: cmp.Or(opts.HostPort, config.DefaultTemporalAddress),
		Err: err, Fix: "start the server ('cordon dev' is one), or correct TEMPORAL_ADDRESS",
	}
	var noNamespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &noNamespace):
		e.Kind, e.Err = cordon.InvalidArgument, fmt.Errorf("it has no namespace %q", opts.Namespace)
		e.Fix = "create the namespace, or correct TEMPORAL_NAMESPACE"
	case errors.As(err, &denied):
		e.Kind, e.Fix = cordon.PermissionDenied, "correct TEMPORAL_API_KEY or the client certificate"
	case errors.As(err, &invalid):
		e.Kind, e.Fix = cordon.InvalidArgument, "correct what was asked for"
	case errors.Is(err, context.DeadlineExceeded):
		e.Err = fmt.Errorf("no answer within %v", connectTimeout)
	}
	return e
}
