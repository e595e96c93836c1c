package doctor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/cordonlabs/cordon/internal/config"
)

// temporal looks whether the server answers and has the namespace. Where nobody
// has named one, its absence is no failure: `cordon run` starts its own.
func temporal(ctx context.Context, s *site) Result {
	opts := s.Env.Temporal
	at, namespace := cmp.Or(opts.HostPort, config.DefaultTemporalAddress), cmp.Or(opts.Namespace, config.DefaultNamespace)
	began := time.Now()
	version, err := askTemporal(ctx, opts, namespace)

	var noNamespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case err == nil:
		return ok("%s answers in %s: server %s, namespace %q", at, took(began), cmp.Or(version, "of an unknown version"), namespace)
	case errors.As(err, &noNamespace):
		return fail("create the namespace, or correct TEMPORAL_NAMESPACE", "%s has no namespace %q", at, namespace)
	case errors.As(err, &denied):
		return fail("correct TEMPORAL_API_KEY or the client certificate", "%s refuses: %v", at, err)
	}
	what := briefly(err)
	if late(ctx, err) {
		what = "no answer within " + s.Timeout.String()
	}
	if !s.TemporalNamed {
		return warn("set TEMPORAL_ADDRESS for workers ('cordon dev' is a server)",
			"none is configured; 'cordon run' brings its own; a worker would use %s: %s", at, what)
	}
	return fail("start the server ('cordon dev' is one), or correct TEMPORAL_ADDRESS", "%s: %s", at, what)
}

// askTemporal returns the server's version if it has the namespace.
func askTemporal(ctx context.Context, opts client.Options, namespace string) (string, error) {
	opts.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)) // every call's error says the same
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return "", err
	}
	defer c.Close()
	service := c.WorkflowService()
	if _, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace}); err != nil {
		return "", err
	}
	info, err := service.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return "", err
	}
	return info.GetServerVersion(), nil
}

// briefly leaves out of a failed connection's error the layers that it went through.
func briefly(err error) string {
	const layers = "Error while dialing: "
	text := err.Error()
	if i := strings.LastIndex(text, layers); i >= 0 {
		return strings.TrimSuffix(text[i+len(layers):], `"`)
	}
	return text
}

// took renders the time since began, in milliseconds.
func took(began time.Time) string { return time.Since(began).Round(time.Millisecond).String() }
