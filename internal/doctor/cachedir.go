package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/config"
)

const elsewhere = "set CACHE_DIR to a directory that this user may write, or name one with --cache-dir or --data"

// cacheDirectory looks whether the cache is there, or can be made, and can be
// written by this user and this program.
func cacheDirectory(_ context.Context, s *site) Result {
	g, err := s.ground()
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return fail("set CACHE_DIR to a directory", "%s is not a directory", g.at)
	case err != nil:
		return fail(elsewhere, "%s cannot be looked at: %v", g.dir, err)
	}
	// A newer program's cache, or another user's, says so itself.
	if _, err := s.cache(); err != nil && !errors.Is(err, errNoCache) {
		return because(Fail, err, "run this as the user that the workers run as, or "+elsewhere)
	}
	if _, err := s.trial(); err != nil {
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return fail("free disk space or inodes there", "%s: nothing can be written: %v", g.dir, cause(err))
		}
		if !g.exists {
			fix := "make it for this user, or " + elsewhere
			if g.dir == config.DefaultCacheDir && s.Getenv("CACHE_DIR") == "" {
				fix += " (what 'cordon run' uses is looked at with --data ~/.cache/cordon)"
			}
			return fail(fix, "%s does not exist, and %s cannot make it: %v", g.dir, me(), cause(err))
		}
		return fail("let this user write there, or "+elsewhere, "%s cannot be written by %s: %v", g.dir, me(), cause(err))
	}
	switch {
	case !g.exists:
		return ok("%s is not there yet; whoever uses it first makes it", g.dir)
	case !g.cache:
		return ok("%s is no cache yet; whoever uses it first makes it one; %s", g.dir, ownership(g.dir))
	}
	return ok("%s, protocol version %s; %s", g.dir, version(g.dir), ownership(g.dir))
}

// cause returns what the operating system said, without a temporary name.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// version returns the protocol version of the cache in dir as it is written there.
func version(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, versionFile))
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func ownership(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return "written by " + me()
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	if owner == os.Geteuid() {
		return "owned and written by " + who(owner)
	}
	return fmt.Sprintf("owned by %s, written by %s", who(owner), me())
}

func me() string { return "user " + who(os.Geteuid()) }

// who renders a user: "root (uid 0)", or the number alone in a container whose
// user has no name.
func who(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return fmt.Sprintf("%s (uid %d)", u.Username, uid)
	}
	return fmt.Sprintf("uid %d", uid)
}
