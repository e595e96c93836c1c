package doctor

import (
	"context"
	"strings"

	"github.com/cordonlabs/cordon/sandbox"
)

// isolation looks how well tools can be confined, by confining something: as the
// workers of this configuration would, with their lock.
func isolation(_ context.Context, s *site) Result {
	const see = "docs/confinement.md says what each tier needs"
	box, err := sandbox.New(sandbox.Options{MinTier: s.Config.MinIsolation, Logger: s.Logger})
	if err != nil {
		return because(Fail, err, see)
	}
	r := box.Report()
	if len(r.Missing) == 0 {
		return ok("tier %s: every promise is kept", r.Tier)
	}
	missing := make([]string, len(r.Missing))
	for i, m := range r.Missing {
		missing[i] = m.String()
	}
	return warn(see, "tier %s; not promised: %s", r.Tier, strings.Join(missing, ", "))
}
