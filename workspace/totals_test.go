package workspace_test

import (
	"os"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func TestWhatAnotherProcessPublishedCountsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changed time.Time // of the records' directory, when this process adds up
		again   bool      // the other's change gets the very same stamp
	}{
		{"the directory tells", longAgo, false},
		{"both changes are in one tick of the kernel's clock", time.Now().Add(time.Hour), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const mb = 1 << 20
			b := newBench(t, limited(5*mb/2))
			b.put("T", random(1, mb))
			b.get("T", "R1", cordon.Isolated)
			stamp := func() { must(t, os.Chtimes(b.path(".cordon/records"), tt.changed, tt.changed)) }
			stamp()
			b.usage() // it knows now what there is
			_, err := b.open().Get(t.Context(), request("T", "R2", cordon.Isolated))
			must(t, err)
			if tt.again {
				stamp()
			}
			mustBeKind(t, b.getErr("T", "R3", cordon.Isolated), cordon.NoSpace)
		})
	}
}
