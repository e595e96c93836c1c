package traces

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
)

// maxText is how many bytes an attribute or an error's words have at most.
const maxText = 1000

// cancelled reports whether somebody wanted the end that err says. Nothing has failed
// then: each watch_workspace ends so.
func cancelled(err error) bool {
	return temporal.IsCanceledError(err) || errors.Is(err, context.Canceled)
}

// failure returns the type of an error and its words; "" where it is none: nil, a
// cancellation, the way in which a workflow goes on as a new run, and what its author
// calls benign.
func failure(err error) (kind, words string) {
	var app *temporal.ApplicationError
	var again *workflow.ContinueAsNewError
	switch {
	case err == nil, cancelled(err), errors.As(err, &again):
		return "", ""
	case cordon.KindOf(err) != "":
		kind = string(cordon.KindOf(err))
	case errors.As(err, &app):
		if app.Category() == temporal.ApplicationErrorCategoryBenign {
			return "", ""
		}
		kind = app.Type()
	case temporal.IsTimeoutError(err), errors.Is(err, context.DeadlineExceeded):
		kind = "timeout"
	}
	if kind == "" {
		kind = "error"
	}
	return kind, plain(secretInURL.ReplaceAllString(err.Error(), "${1}${2}[redacted]"), maxText)
}

// secretInURL is what may be a credential in an address: a user's, and a signature.
var secretInURL = regexp.MustCompile(`(\w+://)[^\s/@"']+@|(\?)[^\s"'?]*=[^\s"']*`)

// plain shortens s to most bytes, of UTF-8 as the protocol wants it.
func plain(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
