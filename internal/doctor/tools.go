package doctor

import (
	"cmp"
	"context"
	"errors"
	"os/exec"

	"github.com/cordonlabs/cordon/analyze/gosec"
)

// gosecProgram looks for what the activity scan_go runs. Without it a result
// says that Go was not analysed in depth.
func gosecProgram(_ context.Context, s *site) Result {
	set := s.Getenv(gosec.Env)
	path, err := exec.LookPath(cmp.Or(set, "gosec"))
	switch {
	case err != nil && set != "":
		return fail("correct "+gosec.Env+", or unset it to use the one in PATH", "%s names %q, which cannot be run: %v", gosec.Env, set, cause(lookup(err)))
	case err != nil:
		return warn("install it with `go install github.com/securego/gosec/v2/cmd/gosec@latest`, or name it in "+gosec.Env,
			"not installed: Go code is not analysed in depth")
	}
	if _, err := exec.LookPath("go"); err != nil {
		return warn("install Go", "%s is there, and the go command that it needs is not: Go code is not analysed in depth", path)
	}
	return ok("%s", path)
}

// lookup returns why a program was not found, without its name.
func lookup(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// gitProgram looks for what the activity scan_secrets reads histories with.
func gitProgram(context.Context, *site) Result {
	path, err := exec.LookPath("git")
	if err != nil {
		return warn("install git", "not installed: secrets in the history of repositories are not found")
	}
	return ok("%s", path)
}
