package cordon_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestError(t *testing.T) {
	inner := &cordon.Error{Kind: cordon.NoSpace, Op: "reserve disk", Err: errors.New("needs 2 GB"), Fix: "free some"}
	outer := &cordon.Error{Op: "get target", Name: `"T"`, Err: fmt.Errorf("on host h: %w", inner), Fix: "never said, for the inner one knows better"}
	if got, want := outer.Error(), `get target "T": on host h: reserve disk: needs 2 GB; free some`; got != want {
		t.Errorf("message = %s\nwant      %s", got, want)
	}
	if cordon.KindOf(outer) != cordon.NoSpace || cordon.FixOf(outer) == "" {
		t.Errorf("kind = %q, fix = %q", cordon.KindOf(outer), cordon.FixOf(outer))
	}
	if cordon.KindOf(errors.New("x")) != "" || cordon.KindOf(nil) != "" {
		t.Error("an error without a kind has one")
	}
}

func TestRetryable(t *testing.T) {
	final := map[cordon.Kind]bool{
		cordon.InvalidArgument: true, cordon.TargetNotFound: true, cordon.ArchiveRejected: true, cordon.IntegrityMismatch: true,
		cordon.PermissionDenied: true, cordon.TargetTooLarge: true, cordon.WorkspaceLost: true, cordon.NoSpace: false, cordon.StorageUnavailable: false, cordon.Busy: false,
	}
	for k, want := range final {
		if k.Retryable() == want {
			t.Errorf("%s: retryable = %v", k, k.Retryable())
		}
	}
}
