package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// Tier is how well a tool is confined. The package comment says what each promises.
type Tier string

// The tiers, best first.
const (
	Full     Tier = "full"
	Rootless Tier = "rootless"
	Landlock Tier = "landlock"
	None     Tier = "none"
)

// order is from the worst to the best.
var order = []Tier{None, Landlock, Rootless, Full}

// AtLeast reports whether t is as good as other or better. An unknown tier is worse
// than all.
func (t Tier) AtLeast(other Tier) bool { return slices.Index(order, t) >= slices.Index(order, other) }

// ParseTier reads CORDON_MIN_ISOLATION, in any case.
func ParseTier(s string) (Tier, error) {
	t := Tier(strings.ToLower(strings.TrimSpace(s)))
	if !slices.Contains(order, t) {
		return "", fmt.Errorf("%q is not a tier of isolation; accepted: full, rootless, landlock, none", s)
	}
	return t, nil
}
