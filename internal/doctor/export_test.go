package doctor

import "context"

// Only makes the named checks alone.
func Only(ctx context.Context, env Env, names ...string) (Report, error) {
	var some []check
	for _, c := range checks {
		for _, n := range names {
			if c.name == n {
				some = append(some, c)
			}
		}
	}
	return run(ctx, env, some)
}

// With makes one check that a test brings along.
func With(ctx context.Context, env Env, name string, do func(context.Context) Result) (Report, error) {
	return run(ctx, env, []check{{name, func(ctx context.Context, _ *site) Result { return do(ctx) }}})
}

// Space is what a file system has, for JudgeSpace and JudgeLimit.
func Space(total, free, inodes, inodesFree int64) space {
	return space{total: total, free: free, inodes: inodes, inodesFree: inodesFree, inodesAreUnlimited: inodes == 0}
}

var (
	JudgeSpace = judgeSpace
	JudgeLimit = judgeLimit
)
