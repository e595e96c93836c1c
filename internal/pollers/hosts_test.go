package pollers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
)

func TestHostsAreThoseThatTakeActivitiesNow(t *testing.T) {
	now := time.Now()
	at := func(host string) string {
		return pollers.Identity{Version: "1", Serve: config.ServeAll, Activities: pollers.None, Workflows: pollers.None, Host: host, Process: "7@m"}.String()
	}
	list := []pollers.Poller{
		{Identity: at("c"), Activities: true, LastSeen: now},
		{Identity: at("a"), Activities: true, LastSeen: now},
		{Identity: at("a"), Activities: true, LastSeen: now},
		{Identity: at("gone"), Activities: true, LastSeen: now.Add(-time.Hour)},
		{Identity: at("workflows-only"), Workflows: true, LastSeen: now},
		{Identity: at(""), Activities: true, LastSeen: now},
		{Identity: "7@m", Activities: true, LastSeen: now},
	}
	if got := pollers.Hosts(list, now.Add(-time.Minute)); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %q", got)
	}
}
