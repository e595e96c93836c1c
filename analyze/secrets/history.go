package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cordonlabs/cordon/finding"
)

// maxRepos bounds the repositories in one workspace whose history is scanned.
const maxRepos = 20

// maxPatchBytes bounds the patches read of one repository: a history of 100,000 commits is about a
// tenth of it.
const maxPatchBytes = 8 << 30

// histories scans the history of each repository, and notes what could not be scanned.
func (s *scan) histories(ctx context.Context, dir string, repos []string) error {
	if f, err := s.tree.Open(".git"); err == nil {
		f.Close()
		s.note("The workspace's .git is a file that refers to a repository elsewhere (a worktree or submodule): the git history was not scanned.")
	}
	if len(repos) == 0 {
		return nil
	}
	git, err := exec.LookPath("git")
	if err != nil {
		s.res.Tools = append(s.res.Tools, finding.Tool{
			Name: "git", Note: "git is not installed: the git history was not scanned; install git on the worker's host",
		})
		return nil
	}
	s.res.Tools = append(s.res.Tools, finding.Tool{Name: "git", Available: true})
	if len(repos) > maxRepos {
		s.note(fmt.Sprintf("Of %d git repositories, the history of the first %d was scanned.", len(repos), maxRepos))
		repos = repos[:maxRepos]
	}
	for _, repo := range repos {
		n, err := s.history(ctx, git, dir, repo)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			s.note(fmt.Sprintf("The git history of %q was not scanned to its end: %v.", repo, err))
		default:
			s.note(fmt.Sprintf("%d commits of the git history of %q were scanned.", n, repo))
		}
	}
	return nil
}

// history scans one repository, in the directory repo of the workspace.
func (s *scan) history(ctx context.Context, git, dir, repo string) (commits int, err error) {
	tmp, err := os.MkdirTemp("", "cordon-git-")
	if err != nil {
		return 0, errNotPlain("no room for a temporary directory")
	}
	defer os.RemoveAll(tmp)
	at, err := filepath.Abs(filepath.Join(dir, filepath.FromSlash(repo), ".git"))
	if err != nil {
		return 0, err
	}
	g, err := newGitDir(at, tmp)
	if err != nil {
		return 0, err
	}
	if len(g.tips) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := g.log(ctx, git)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	var stderr limitedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return 0, errNotPlain("git could not be started")
	}
	in := &io.LimitedReader{R: stdout, N: maxPatchBytes}
	commits, err = readLog(in, func(h hunk) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := path.Join(repo, h.path)
		if s.d.allows(p) {
			return nil
		}
		found, err := s.d.find(ctx, p, h.text, h.line)
		for _, f := range found {
			s.add(leak{Finding: f, commit: h.commit, date: h.date})
		}
		return err
	})
	cut := in.N <= 0
	if cut || err != nil {
		cancel() // git still has something to say, which nobody reads
	}
	werr := cmd.Wait()
	switch {
	case cut:
		return commits, errNotPlain("it is larger than the limit")
	case err != nil:
		return commits, err
	case werr != nil:
		// git's words, if it has any and was not killed for want of memory, may quote content: they are
		// not repeated.
		return commits, errNotPlain("git failed on it; it may be damaged or incomplete (try git fsck)")
	}
	return commits, nil
}

// log is the command that prints the patches of all commits, newest first. Nothing of the
// repository, the user or the system configures it.
func (g *gitDir) log(ctx context.Context, git string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, git, "--no-pager", "--literal-pathspecs",
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null",
		"-c", "core.commitGraph=false", "-c", "core.multiPackIndex=false", // not trusted: they may contradict the objects
		"-c", "core.quotePath=false", "-c", "core.bigFileThreshold=10m", // larger files are shown as binary
		"-c", "log.showSignature=false", "-c", "log.mailmap=false", "-c", "protocol.allow=never",
		"-c", "core.deltaBaseCacheLimit=64m", "-c", "core.packedGitLimit=1g",
		"log", "--stdin", "--ignore-missing", "--full-history", "--patch", "--unified=0", "--diff-filter=tuxdb",
		"--no-ext-diff", "--no-textconv", "--no-color", "--no-notes", "--find-renames", "-l400", "--no-show-signature",
		"--submodule=short", "--ignore-submodules=all", "--src-prefix=a/", "--dst-prefix=b/", "--no-decorate", "--format="+commitLine+"%H %cI")
	cmd.Dir = g.path
	cmd.Stdin = bytes.NewReader(g.tips)
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + g.path, "LC_ALL=C", "TZ=UTC",
		"GIT_DIR=" + g.path, "GIT_OBJECT_DIRECTORY=" + g.objects,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_ATTR_NOSYSTEM=1",
		"GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1",
		"GIT_ALLOW_PROTOCOL=none", "GIT_PAGER=cat", "GIT_ASKPASS=/bin/false", "GIT_SSH_COMMAND=/bin/false",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	cmd.WaitDelay = time.Second
	return cmd
}

// limitedBuffer keeps the first bytes written to it, enough to know that there were any.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if room := 4096 - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
