package secrets

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/analyze"
)

// git runs git in dir as a user would, and returns what it prints.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("the tests need git:", err)
	}
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// leaky makes a repository in which a token was added, copied on a branch, and removed; a key is still there.
func leaky(t *testing.T) (dir, added string) {
	t.Helper()
	dir = t.TempDir()
	git(t, dir, "init", "-q")
	write(t, dir, map[string]string{"a b.txt": "hello\n\nkey " + awsKey + "\n"})
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	write(t, dir, map[string]string{"cfg/ünï \"q\".env": "X=1\nTOKEN=" + ghToken + "\n"})
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "two "+ghToken)
	added = git(t, dir, "rev-parse", "HEAD")
	write(t, dir, map[string]string{"cfg/ünï \"q\".env": "X=1\n"})
	git(t, dir, "commit", "-qam", "three")
	git(t, dir, "checkout", "-qb", "side", "HEAD~1")
	write(t, dir, map[string]string{"only-on-side.txt": "k = " + awsKey2 + "\n"})
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "four")
	git(t, dir, "checkout", "-q", "main")
	git(t, dir, "pack-refs", "--all")
	git(t, dir, "gc", "-q")
	return dir, added
}

func TestHistoryOfAllBranchesIsScannedAndWhatIsStillThereIsNotRepeated(t *testing.T) {
	dir, added := leaky(t)
	before := snapshot(t, dir)
	res := scanDir(t, Options{Dir: dir})
	mustNotLeak(t, res, awsKey, awsKey2, ghToken)
	if len(res.Findings) != 3 {
		t.Fatalf("%d findings, want 3: %v\n%v", len(res.Findings), res.Findings, res.Notes)
	}
	if f := find(res, "secret-aws-access-token", "a b.txt"); f == nil || f.Metadata["source"] != "file" || f.LineStart != 3 {
		t.Errorf("the key that is still there: %+v", f)
	}
	f := find(res, "secret-github-pat", "cfg/ünï \"q\".env")
	if f == nil || f.Metadata["source"] != "history" || f.Metadata["commit"] != added || f.LineStart != 2 {
		t.Errorf("the token that was removed: %+v", f)
	}
	if find(res, "secret-aws-access-token", "only-on-side.txt") == nil {
		t.Error("the other branch was not scanned")
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("the scan changed the workspace:\n%s\n%s", before, after)
	}

	for name, opt := range map[string]Options{"no_git": {Dir: dir, NoGit: true}, "mode protect": {Dir: dir, Mode: Protect}} {
		res := scanDir(t, opt)
		if len(res.Findings) != 1 || !hasNote(res, "history was not scanned") {
			t.Errorf("%s: %d findings, notes %v", name, len(res.Findings), res.Notes)
		}
	}
}

// snapshot describes every file below dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(p + fi.Mode().String() + fi.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAHostileRepositoryRunsNothing(t *testing.T) {
	dir, _ := leaky(t)
	mark := filepath.Join(t.TempDir(), "ran")
	evil := filepath.Join(dir, "evil.sh")
	write(t, dir, map[string]string{"evil.sh": "#!/bin/sh\ntouch " + mark + "\ncat \"$1\" 2>/dev/null\n", ".gitattributes": "* diff=evil filter=evil\n"})
	if err := os.Chmod(evil, 0o755); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"core.fsmonitor": evil, "core.pager": evil, "pager.log": evil, "core.sshCommand": evil, "core.hooksPath": dir, "core.alternateRefsCommand": evil,
		"diff.external": evil, "diff.evil.textconv": evil, "diff.evil.command": evil, "filter.evil.smudge": evil, "gpg.program": evil,
		"log.showSignature": "true", "remote.origin.url": "ext::" + evil, "remote.origin.promisor": "true", "credential.helper": evil, "uploadpack.packObjectsHook": evil,
		"extensions.partialClone": "origin", "core.repositoryformatversion": "1", "alias.log": "!" + evil, "include.path": filepath.Join(dir, "more"),
	} {
		git(t, dir, "config", "--file", filepath.Join(dir, ".git/config"), key, value)
	}
	write(t, dir, map[string]string{".git/info/attributes": "* diff=evil\n", ".git/hooks/post-checkout": "#!/bin/sh\ntouch " + mark, "more": "[core]\n\tfsmonitor = " + evil + "\n"})
	res := scanDir(t, Options{Dir: dir})
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program of the repository's was run")
	}
	if find(res, "secret-aws-access-token", "only-on-side.txt") == nil {
		t.Error("the history was not scanned:", res.Notes)
	}
}

func TestRepositoriesThatReachElsewhereAreNotFollowed(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, dir, other string){
		"alternates": func(t *testing.T, dir, other string) {
			write(t, dir, map[string]string{".git/objects/info/alternates": filepath.Join(other, ".git/objects") + "\n"})
		},
		"a link for its objects": func(t *testing.T, dir, other string) {
			if err := os.RemoveAll(filepath.Join(dir, ".git/objects")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(other, ".git/objects"), filepath.Join(dir, ".git/objects")); err != nil {
				t.Fatal(err)
			}
		},
		"a link among its objects": func(t *testing.T, dir, other string) {
			if err := os.Symlink(filepath.Join(other, ".git/objects/pack"), filepath.Join(dir, ".git/objects/zz")); err != nil {
				t.Fatal(err)
			}
		},
		"a .git file": func(t *testing.T, dir, other string) {
			if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
				t.Fatal(err)
			}
			write(t, dir, map[string]string{".git": "gitdir: " + filepath.Join(other, ".git") + "\n"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			other, _ := leaky(t)
			dir := t.TempDir()
			git(t, dir, "init", "-q")
			head := git(t, other, "rev-parse", "HEAD")
			write(t, dir, map[string]string{".git/refs/heads/main": head + "\n"})
			make(t, dir, other)
			res := scanDir(t, Options{Dir: dir})
			if len(res.Findings) != 0 {
				t.Errorf("another repository's secrets were found: %v", res.Findings)
			}
			if !hasNote(res, "not scanned") {
				t.Error("nothing says that the history was not scanned:", res.Notes)
			}
		})
	}
}

func TestNestedAndEmptyAndDamagedRepositories(t *testing.T) {
	inner, _ := leaky(t)
	dir := t.TempDir()
	git(t, dir, "init", "-q") // no commit
	if err := os.CopyFS(filepath.Join(dir, "vendored/lib"), os.DirFS(inner)); err != nil {
		t.Fatal(err)
	}
	res := scanDir(t, Options{Dir: dir})
	if find(res, "secret-aws-access-token", "vendored/lib/only-on-side.txt") == nil {
		t.Errorf("the nested repository was not scanned: %v", res.Notes)
	}

	packs, err := filepath.Glob(filepath.Join(inner, ".git/objects/pack/*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatal("no pack:", err)
	}
	if err := os.Chmod(packs[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(packs[0], 100); err != nil {
		t.Fatal(err)
	}
	if res := scanDir(t, Options{Dir: inner}); !hasNote(res, "not scanned to its end") {
		t.Error("nothing says that the repository is damaged:", res.Notes)
	}
}

func TestAShallowCloneIsScannedAsFarAsItGoes(t *testing.T) {
	src, _ := leaky(t)
	dir := filepath.Join(t.TempDir(), "clone")
	git(t, src, "clone", "-q", "--depth=1", "--branch=side", "file://"+src, dir)
	res := scanDir(t, Options{Dir: dir})
	if !hasNote(res, "1 commits") {
		t.Error(res.Notes)
	}
}

func TestWithoutGitTheResultSaysSo(t *testing.T) {
	dir, _ := leaky(t)
	t.Setenv("PATH", t.TempDir())
	res := scanDir(t, Options{Dir: dir})
	for _, tool := range res.Tools {
		if tool.Name == "git" {
			if tool.Available || !strings.Contains(tool.Note, "not installed") {
				t.Errorf("%+v", tool)
			}
			return
		}
	}
	t.Error("git is not mentioned:", res.Tools)
}

// A git that the kernel kills for want of memory says nothing: what it did not print must not count as scanned.
func TestAGitThatIsKilledIsNotedAsUnfinished(t *testing.T) {
	bin := t.TempDir()
	write(t, bin, map[string]string{"git": "#!/bin/sh\nexec >&-\nkill -9 $$\n"})
	if err := os.Chmod(filepath.Join(bin, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, _ := leaky(t)
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	res := scanDir(t, Options{Dir: dir})
	if !hasNote(res, "was not scanned to its end") {
		t.Error(res.Notes)
	}
}

func TestGitIsGoneAfterCancellation(t *testing.T) {
	// A git that never ends, in a group with a child.
	bin := t.TempDir()
	pidFile := filepath.Join(t.TempDir(), "pid")
	write(t, bin, map[string]string{"git": "#!/bin/sh\nsleep 600 &\necho $! > " + pidFile + "\nwait\n"})
	if err := os.Chmod(filepath.Join(bin, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, _ := leaky(t)
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	ctx, cancel := withCancel(t)
	go func() {
		for range 500 {
			if b, err := os.ReadFile(pidFile); err == nil && len(b) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	start := time.Now()
	if _, err := Scan(ctx, Options{Dir: dir}); err == nil {
		t.Error("no error after cancellation")
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("git's child still runs")
}

var _ analyze.Scrubber = (*Scrubber)(nil)
