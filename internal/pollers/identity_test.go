package pollers_test

import (
	"testing"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
)

func TestAnIdentityIsReadAsItWasWritten(t *testing.T) {
	for _, id := range []pollers.Identity{
		{Version: "v1.2.3", Serve: config.ServeAll, Activities: pollers.Digest([]string{"a", "b"}), Workflows: pollers.Digest([]string{"w"}), Process: "7@a machine"},
		{Version: "(devel)", Serve: config.ServeStorage, Activities: pollers.Digest([]string{"a"}), Workflows: pollers.None, Process: "7@m"},
		{Version: "2", Serve: config.ServeAll, Activities: pollers.None, Workflows: pollers.None, Host: "0a1b", Process: "host=x 7@a machine"},
	} {
		if got, ok := pollers.Parse(id.String()); !ok || got != id {
			t.Errorf("%q is read as %+v, %v", id, got, ok)
		}
	}
	if got, ok := pollers.Parse(pollers.Identity{Serve: config.ServeAll, Version: "1 of 2", Activities: pollers.None, Workflows: pollers.None, Process: "p"}.String()); !ok || got.Version != "1-of-2" {
		t.Errorf("a version with spaces is read as %+v, %v", got, ok)
	}
	for _, text := range []string{"", "7@machine", "cordon", "cordon/1 serve=all", "cordon/1 serve=all activities=xyz workflows=none p", "xcordon/1 serve=all activities=none workflows=none p"} {
		if got, ok := pollers.Parse(text); ok {
			t.Errorf("%q counts as one of Cordon's: %+v", text, got)
		}
	}
}

func TestADigestTellsSetsApart(t *testing.T) {
	one := pollers.Digest([]string{"b", "a", "a"})
	if one != pollers.Digest([]string{"a", "b"}) {
		t.Error("the order counts, or how often a name is there")
	}
	for _, other := range [][]string{nil, {"a"}, {"a", "b", "c"}, {"ab"}, {"a\nb "}} {
		if pollers.Digest(other) == one {
			t.Errorf("%q looks the same", other)
		}
	}
}
