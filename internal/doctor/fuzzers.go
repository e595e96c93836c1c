package doctor

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/cordonlabs/cordon/fuzz/confined"
	"github.com/cordonlabs/cordon/fuzz/engines"
	"github.com/cordonlabs/cordon/sandbox"
)

// fuzzers looks which fuzzing engines have their tools, in the sandbox in which they
// would use them. One that has none is missing where its workflow runs, and nowhere
// else.
func fuzzers(ctx context.Context, s *site) Result {
	dir, err := os.MkdirTemp("", "cordon-doctor-")
	if err != nil {
		return fail("let this user write to its directory for temporary files", "%v", err)
	}
	defer os.RemoveAll(dir)
	workspace, state := dir+"/workspace", dir+"/state"
	if err := os.Mkdir(workspace, 0o755); err != nil {
		return because(Fail, err, "")
	}
	box, err := sandbox.New(sandbox.Options{StateDir: state, Logger: s.Logger})
	if err != nil {
		return because(Fail, err, "docs/confinement.md says what is needed")
	}
	// Who is slow for want of a processor is not broken.
	ctx, cancel := context.WithTimeout(ctx, s.Timeout*4/5)
	defer cancel()
	all := engines.All(engines.Options{Python: s.Config.Python})
	found, missing := make([]string, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, e := range all {
		wg.Go(func() {
			found[i], missing[i] = e.Version(ctx, &confined.Runner{Sandbox: box, Workspace: workspace})
		})
	}
	wg.Wait()
	var there, away, fixes []string
	for i, e := range all {
		switch {
		case missing[i] == nil:
			there = append(there, e.Name()+" ("+found[i]+")")
		case ctx.Err() != nil:
			away = append(away, e.Name()+" did not say its version in time")
		default:
			r := because(Warn, missing[i], "")
			away = append(away, e.Name()+": "+r.Found)
			fixes = append(fixes, r.Fix)
		}
	}
	if len(away) == 0 {
		return ok("%s", strings.Join(there, ", "))
	}
	if len(there) == 0 {
		there = []string{"none"}
	}
	return warn(strings.Join(fixes, "; "), "%s; not %s", strings.Join(there, ", "), strings.Join(away, "; not "))
}
