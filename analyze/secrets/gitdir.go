package secrets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// gitDir is a git directory of our own making that stands in for a repository's. It has the
// repository's objects by reference, and nothing else of it: no config, no hooks, no attributes,
// no info/alternates, no replacements. Whoever wrote the repository chooses only which objects there are.
//
// Settings of a repository that run programs on `git log` (core.fsmonitor, core.pager, diff.*.textconv,
// diff.external, gpg.program, core.sshCommand, a promisor remote's upload-pack, alternate refs) therefore
// have no place to stand in.
type gitDir struct {
	path    string // of the stand-in
	objects string // of the repository's object directory
	tips    []byte // commits to start from, one hex id a line
}

// Bounds of what is read of a repository outside its objects.
const (
	maxRefs       = 100_000
	maxRefBytes   = 1 << 10
	maxPackedRefs = 64 << 20
)

var hexID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// errNotPlain says why a repository's history is not scanned; it is shown to people.
type errNotPlain string

func (e errNotPlain) Error() string { return string(e) }

// newGitDir makes a stand-in for the repository whose git directory is at git, in the fresh
// directory tmp.
func newGitDir(git, tmp string) (*gitDir, error) {
	root, err := os.OpenRoot(git)
	if err != nil {
		return nil, errNotPlain("its .git directory cannot be read")
	}
	defer root.Close()
	if err := plainObjects(root); err != nil {
		return nil, err
	}
	g := &gitDir{path: tmp, objects: filepath.Join(git, "objects")}
	tips, err := readTips(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for id := range tips {
		b.WriteString(id + "\n")
	}
	g.tips = b.Bytes()

	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	settings, err := readRegular(root, "config", maxPackedRefs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errNotPlain("its config cannot be read")
	}
	switch lower := bytes.ToLower(settings); {
	case regexp.MustCompile(`(?m)^\s*refstorage\s*=\s*reftable`).Match(lower):
		return nil, errNotPlain("it keeps its refs in the reftable format")
	case regexp.MustCompile(`(?m)^\s*objectformat\s*=\s*sha256`).Match(lower):
		config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
	}
	files := map[string]string{"config": config, "HEAD": "ref: refs/heads/none\n"}
	if shallow, err := readRegular(root, "shallow", maxPackedRefs); err == nil {
		var ids strings.Builder
		for line := range bytes.Lines(shallow) {
			if id := string(bytes.TrimSpace(line)); hexID.MatchString(id) {
				ids.WriteString(id + "\n")
			}
		}
		files["shallow"] = ids.String() // where a shallow clone ends; else git fails there
	}
	for _, dir := range []string{"refs/heads", "objects/info"} {
		if err := os.MkdirAll(filepath.Join(tmp, dir), 0o700); err != nil {
			return nil, err
		}
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(body), 0o600); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// plainObjects checks that the object directory is one of this repository's own: no links,
// no alternates, by which git would read objects of other repositories on this machine.
func plainObjects(root *os.Root) error {
	if fi, err := root.Lstat("objects"); err != nil || !fi.IsDir() {
		return errNotPlain("it has no object directory of its own")
	}
	for _, name := range []string{"objects/info/alternates", "objects/info/http-alternates", "commondir"} {
		if _, err := root.Lstat(name); err == nil {
			return errNotPlain("it borrows objects from another repository (" + name + ")")
		}
	}
	return fs.WalkDir(root.FS(), "objects", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return errNotPlain("its object directory cannot be read")
		}
		if t := d.Type(); !t.IsRegular() && !t.IsDir() {
			return errNotPlain("there are links or special files among its objects")
		}
		return nil
	})
}

// readTips returns the ids that refs point to, wherever in the repository they are kept.
func readTips(root *os.Root) (map[string]struct{}, error) {
	tips := make(map[string]struct{})
	add := func(id string) {
		if hexID.MatchString(id) && len(tips) < maxRefs {
			tips[id] = struct{}{}
		}
	}
	if packed, err := readRegular(root, "packed-refs", maxPackedRefs); err == nil {
		sc := bufio.NewScanner(bytes.NewReader(packed))
		for sc.Scan() {
			id, _, _ := strings.Cut(strings.TrimPrefix(sc.Text(), "^"), " ")
			add(id)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, errNotPlain("its packed-refs cannot be read")
	}
	if head, err := readRegular(root, "HEAD", maxRefBytes); err == nil {
		add(strings.TrimSpace(string(head))) // a detached one; a symbolic one is among the refs
	}
	n := 0
	err := fs.WalkDir(root.FS(), "refs", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // no refs directory, or a link: not a ref of this repository
		}
		if n++; n > maxRefs {
			return fs.SkipAll
		}
		if b, err := readRegular(root, p, maxRefBytes); err == nil {
			add(strings.TrimSpace(string(b)))
		}
		return nil
	})
	return tips, err
}

// readRegular reads a regular file without following a link to it or waiting for it.
func readRegular(root *os.Root, name string, limit int64) ([]byte, error) {
	if fi, err := root.Lstat(name); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > limit {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", name, limit)
	}
	b := make([]byte, fi.Size())
	n, err := f.Read(b)
	if n == 0 && len(b) > 0 && err != nil {
		return nil, err
	}
	return b[:n], nil
}
