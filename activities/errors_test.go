package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workspace"
)

// brokenCache answers every Get and Cleanup with *err.
type brokenCache struct {
	activities.Cache
	err *error
}

func (b brokenCache) Get(context.Context, workspace.Request) (workspace.Workspace, error) {
	return workspace.Workspace{}, *b.err
}

func (b brokenCache) Cleanup(context.Context, string, workspace.Caller) (workspace.Cleaned, error) {
	return workspace.Cleaned{}, *b.err
}

// CONTRACT §1.3: the error's type is its kind, its retryability the kind's own,
// and its message says what was asked, what was wrong, and what to do.
func TestErrorTypes(t *testing.T) {
	t.Parallel()
	var current error
	h := open(t, options{cache: func(c activities.Cache) activities.Cache { return brokenCache{c, &current} }})
	for kind, retryable := range map[cordon.Kind]bool{
		cordon.InvalidArgument: false, cordon.TargetNotFound: false, cordon.ArchiveRejected: false,
		cordon.IntegrityMismatch: false, cordon.PermissionDenied: false, cordon.TargetTooLarge: false,
		cordon.NoSpace: true, cordon.StorageUnavailable: true, cordon.Busy: true,
	} {
		t.Run(string(kind), func(t *testing.T) {
			current = fmt.Errorf("outer: %w", &cordon.Error{Kind: kind, Op: "fetch", Name: `"project"`, Err: errors.New("it broke"), Fix: "mend it"})
			run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project")}, Attempts: 1})
			app := failed(t, h.wait(run, nil))
			if app.Type() != string(kind) || app.NonRetryable() == retryable {
				t.Errorf("type %s, non-retryable %t; want %s, %t", app.Type(), app.NonRetryable(), kind, !retryable)
			}
			for _, say := range []string{"fetch", `"project"`, "it broke", "mend it"} {
				if !strings.Contains(app.Message(), say) {
					t.Errorf("message %q does not say %q", app.Message(), say)
				}
			}
		})
	}
	for name, what := range map[string]string{
		"bytes that are not UTF-8 do not keep an error from its caller": "cannot read a\xffb",
		"a message is short, however long what it quotes":               strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			current = &cordon.Error{Kind: cordon.ArchiveRejected, Op: "extract", Err: errors.New(what), Fix: "mend it"}
			run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project")}, Timeout: 3 * time.Second, Attempts: 1})
			app := failed(t, h.wait(run, nil))
			if m := app.Message(); app.Type() != string(cordon.ArchiveRejected) || len(m) > 4096 || !strings.HasPrefix(m, "extract: ") || !strings.HasSuffix(m, "; mend it") {
				t.Errorf("type %s, %d bytes: %.200q", app.Type(), len(m), m)
			}
		})
	}
	t.Run("an error without a kind is the disk's, and retried", func(t *testing.T) {
		current = errors.New("read /x: input/output error")
		run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project")}, Attempts: 1})
		app := failed(t, h.wait(run, nil))
		if app.Type() != string(cordon.StorageUnavailable) || app.NonRetryable() {
			t.Errorf("type %s, non-retryable %t; want StorageUnavailable, false", app.Type(), app.NonRetryable())
		}
	})
}

// CONTRACT §7, row 14, through Temporal: it fails at once, and says which target.
func TestGetTargetOfWhatIsNotInTheStoreFailsAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	_, _, err := h.call(activities.GetTargetName, text("nobody-put-this"))
	app := failed(t, err)
	if app.Type() != string(cordon.TargetNotFound) || !app.NonRetryable() || !strings.Contains(app.Message(), "nobody-put-this") {
		t.Errorf("got %s %q", app.Type(), app.Message())
	}
}

// CONTRACT §7, row 4, through Temporal.
func TestGetTargetOfAHostileArchiveIsRejected(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("evil", map[string]string{"../../outside": "x"})
	_, run, err := h.call(activities.GetTargetName, text("evil"))
	app := failed(t, err)
	if app.Type() != string(cordon.ArchiveRejected) || !app.NonRetryable() {
		t.Errorf("got %s %q", app.Type(), app.Message())
	}
	if exists(h.in("evil", run, "workspace")) {
		t.Error("something of the archive was published")
	}
}

// A tool that writes into the tree it scans learns which mode it needs.
func TestWriterIntoSharedIsToldOfCopyOnWrite(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"its own error":      &fs.PathError{Op: "open", Path: "/cache/t/workspace/.tool", Err: unix.EROFS},
		"what a tool prints": errors.New("exit status 1: tool: cannot create .tool: Read-only file system"),
	} {
		app := activities.ApplicationError("scan", err)
		var a *temporal.ApplicationError
		if !errors.As(app, &a) || a.Type() != string(cordon.PermissionDenied) || !a.NonRetryable() ||
			!strings.Contains(a.Message(), `workspace_isolation: "copy-on-write"`) {
			t.Errorf("%s: %v", name, app)
		}
	}
}
