package pack_test

import (
	"archive/tar"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/pack"
)

// tree makes a folder of names and contents. A name that ends in a slash is a
// folder, a content that begins with "-> " a symbolic link.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(p, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(p), 0o755); err == nil {
			if link, ok := strings.CutPrefix(content, "-> "); ok {
				err = os.Symlink(link, p)
			} else {
				err = os.WriteFile(p, []byte(content), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func open(t testing.TB, path string) *pack.Source {
	t.Helper()
	s, err := pack.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hash(t testing.TB, path string) pack.Summary {
	t.Helper()
	sum, err := open(t, path).Hash(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func store(t testing.TB) *dir.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// names returns what an upload of path holds, as "name", "name -> link" or
// "name*" for what is executable.
func names(t testing.TB, path string) (got []string) {
	t.Helper()
	s, st := open(t, path), store(t)
	info, _, err := s.Upload(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := st.Open(t.Context(), info.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	z, err := zstd.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		name := h.Name
		switch {
		case h.Typeflag == tar.TypeSymlink:
			name += " -> " + h.Linkname
		case h.Typeflag == tar.TypeReg && h.Mode&0o100 != 0:
			name += "*"
		}
		got = append(got, name)
	}
}

func wantNames(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("packed is %q, want %q", got, want)
	}
}

func TestATreeIsPackedInTheOrderOfItsNames(t *testing.T) {
	root := tree(t, map[string]string{"b": "1", "a/z": "2", "a/y": "3", "a-b": "4", "empty/": "", "link": "-> a/z", "abs": "-> /etc/passwd", "dangling": "-> nowhere", "ä": "5"})
	if err := os.Chmod(filepath.Join(root, "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantNames(t, names(t, root), "a/", "a/y", "a/z", "a-b", "abs -> /etc/passwd", "b*", "dangling -> nowhere", "empty/", "link -> a/z", "ä")
	sum := hash(t, root)
	if sum.Kind != pack.Tree || sum.Files != 5 || sum.Links != 3 || sum.Dirs != 2 || sum.Bytes != 5 || sum.UploadSize == 0 || len(sum.SHA256) != 64 {
		t.Errorf("Summary = %+v", sum)
	}
}

func TestAFolderBehindALinkIsNotWalked(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "x"})
	root := tree(t, map[string]string{"a": "1", "out": "-> " + outside})
	wantNames(t, names(t, root), "a", "out -> "+outside)
}

func TestTheSourceItselfMayBeALink(t *testing.T) {
	root := tree(t, map[string]string{"a": "1"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	if hash(t, link).ID != hash(t, root).ID {
		t.Error("the link is another target than its folder")
	}
}

func TestIgnoreFiles(t *testing.T) {
	root := tree(t, map[string]string{
		".cordonignore":       "# build output\n*.o\nnode_modules/\n/top\n!keep.o\n",
		"a.o":                 "",
		"keep.o":              "",
		"top":                 "",
		"src/top":             "",
		"src/x.o":             "",
		"src/.cordonignore":   "!x.o\n",
		"node_modules/p/x.js": "",
		"lib/node_modules":    "a file, not a folder",
	})
	wantNames(t, names(t, root), ".cordonignore", "keep.o", "lib/", "lib/node_modules", "src/", "src/.cordonignore", "src/top", "src/x.o")
	if sum := hash(t, root); sum.Ignored != 3 {
		t.Errorf("%d names are ignored, want a.o, node_modules and top", sum.Ignored)
	}
}

func TestAnIgnoreFileThatIsNoFileIsAnError(t *testing.T) {
	root := tree(t, map[string]string{"a": "1", "sub/.cordonignore": "-> ../a"})
	_, err := open(t, root).Hash(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "sub/.cordonignore") || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Hash = %v", err)
	}
}

func TestWhatHasNoContentIsLeftOutAndReported(t *testing.T) {
	root := tree(t, map[string]string{"a": "1", "sub/b": "2"})
	if err := syscall.Mkfifo(root+"/sub/pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	t.Chdir(root) // a socket's path has 108 bytes at most
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: "sock"}); err != nil {
		t.Fatal(err)
	}
	sum := hash(t, root)
	if want := []pack.Skip{{Path: "sock", Reason: "a socket"}, {Path: "sub/pipe", Reason: "a FIFO"}}; !slices.Equal(sum.Skipped, want) {
		t.Errorf("Skipped = %v, want %v", sum.Skipped, want)
	}
	wantNames(t, names(t, root), "a", "sub/", "sub/b")
}

func TestAFolderWithNothingToPackIsInvalidArgumentAndSaysWhy(t *testing.T) {
	for why, files := range map[string]map[string]string{
		"empty":               {},
		"empty folders only":  {"a/b/": ""},
		"leaves out":          {"x.o": "", "sub/.hidden": "", ".cordonignore": "*\n"},
		"but those that .cor": {"x.o": "", ".cordonignore": "*.o\n.cordonignore"},
	} {
		_, err := open(t, tree(t, files)).Hash(t.Context(), nil)
		if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), why) || cordon.FixOf(err) == "" {
			t.Errorf("%v: %v", files, err)
		}
	}
}

func TestOpenSaysWhatIsWrongWithAPath(t *testing.T) {
	root := tree(t, map[string]string{"file": "", "dangling": "-> nowhere"})
	if err := syscall.Mkfifo(root+"/pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]cordon.Kind{"absent": cordon.TargetNotFound, "dangling": cordon.TargetNotFound, "file/x": cordon.TargetNotFound, "pipe": cordon.InvalidArgument} {
		if _, err := pack.Open(filepath.Join(root, path)); cordon.KindOf(err) != kind || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %s", path, err, kind)
		}
	}
}

func TestAFileThatIsWrittenWhileItIsReadIsIntegrityMismatch(t *testing.T) {
	root := tree(t, map[string]string{"a": strings.Repeat("x", 4<<20)})
	once := false
	_, err := open(t, root).Hash(t.Context(), func(done, total int64) {
		if !once {
			once = true
			f, err := os.OpenFile(root+"/a", os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := f.WriteString("more"); err != nil {
				t.Error(err)
			}
		}
	})
	if cordon.KindOf(err) != cordon.IntegrityMismatch || !strings.Contains(err.Error(), root+"/a") {
		t.Errorf("Hash = %v", err)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	for _, name := range []string{"sub/secret", "sub/locked/"} {
		root := tree(t, map[string]string{"a": "1", name: ""})
		if err := os.Chmod(filepath.Join(root, name), 0); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, root).Hash(t.Context(), nil)
		if cordon.KindOf(err) != cordon.PermissionDenied || !strings.Contains(err.Error(), strings.TrimSuffix(name, "/")) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Chmod(filepath.Join(root, name), 0o755); err != nil { // t.TempDir is to remove it
			t.Fatal(err)
		}
	}
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // a generator never fails
	return b
}
