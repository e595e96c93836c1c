package worker

import (
	"slices"
	"testing"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
)

func TestEntriesOfTheToolBridgeWithoutEffect(t *testing.T) {
	bridge := metadata.Bridge{Entries: []metadata.Bridged{{Activity: "get_target"}, {Activity: "run_tool"}, {Activity: "scan_files"}, {Activity: "their_own"}, {Activity: metadata.AnyActivity}}}
	if got, want := overridden(bridge, config.ServeAll), []string{"get_target", "run_tool", "scan_files"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
