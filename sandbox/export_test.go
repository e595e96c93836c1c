package sandbox

// Only returns o with all tiers but one left out.
func Only(o Options, t Tier) Options {
	o.only = t
	return o
}
