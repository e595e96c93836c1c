package pack_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
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

// TestTheIdOfATree pins ids: one that changes makes every project that is
// stored already a new target.
func TestTheIdOfATree(t *testing.T) {
	root := tree(t, map[string]string{"README": "hello\n", "src/main.go": "package main\n", "empty/": "", "link": "-> README", strings.Repeat("long/", 30) + "größe": "x"})
	const want = "sha256-dfc6ba5bcd903719fb36ba1ffc479237031e7c59975a42e01372f25027736a74"
	if got := hash(t, root).ID.String(); got != want {
		t.Errorf("id = %s, want %s", got, want)
	}
}

func TestTheSameContentIsTheSameTarget(t *testing.T) {
	files := map[string]string{"a": "1", "dir/b": "2", "dir/c": "3", "l": "-> a"}
	first := tree(t, files)
	want := hash(t, first)
	for name, change := range map[string]func(root string) error{
		"another folder":     func(string) error { return nil },
		"another time":       func(root string) error { return os.Chtimes(root+"/a", time.Unix(1, 0), time.Unix(2, 0)) },
		"another group mode": func(root string) error { return os.Chmod(root+"/a", 0o664) },
		"a stricter folder":  func(root string) error { return os.Chmod(root+"/dir", 0o700) },
		"hard links instead of copies": func(root string) error {
			return errors.Join(os.WriteFile(root+"/dir/b", []byte("1"), 0o644), os.Remove(root+"/dir/b"), os.WriteFile(root+"/dir/x", []byte("2"), 0o644), os.Link(root+"/dir/x", root+"/dir/b"), os.Remove(root+"/dir/x"))
		},
		"a socket that is not content": func(root string) error { return syscall.Mkfifo(root+"/pipe", 0o644) },
	} {
		root := tree(t, files)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if got := hash(t, root); got.ID != want.ID || got.SHA256 != want.SHA256 || got.UploadSize != want.UploadSize {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for name, change := range map[string]func(root string) error{
		"other content":     func(root string) error { return os.WriteFile(root+"/a", []byte("2"), 0o644) },
		"another name":      func(root string) error { return os.Rename(root+"/a", root+"/A") },
		"an executable":     func(root string) error { return os.Chmod(root+"/a", 0o755) },
		"another link":      func(root string) error { return errors.Join(os.Remove(root+"/l"), os.Symlink("dir", root+"/l")) },
		"one folder more":   func(root string) error { return os.Mkdir(root+"/new", 0o755) },
		"a file for a link": func(root string) error { return errors.Join(os.Remove(root+"/l"), os.WriteFile(root+"/l", nil, 0o644)) },
	} {
		root := tree(t, files)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if hash(t, root).ID == want.ID {
			t.Errorf("%s has the same id", name)
		}
	}
}

func TestAHardLinkIsAFileOfItsOwn(t *testing.T) {
	root := tree(t, map[string]string{"a": "same"})
	if err := os.Link(root+"/a", root+"/b"); err != nil {
		t.Fatal(err)
	}
	if got, want := hash(t, root).ID, hash(t, tree(t, map[string]string{"a": "same", "b": "same"})).ID; got != want {
		t.Error("two names of one file are another target than two files")
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

func TestAFileIsUploadedAsItIs(t *testing.T) {
	for _, content := range []string{"", "PK\x03\x04 not really", strings.Repeat("x", 3<<20)} {
		root := tree(t, map[string]string{"f.zip": content})
		s, st := open(t, root+"/f.zip"), store(t)
		info, existed, err := s.Upload(t.Context(), st, nil)
		if err != nil || existed {
			t.Fatalf("Upload = %v, %v", existed, err)
		}
		sum := hash(t, root+"/f.zip")
		if info.ID != sum.ID || info.ID.String() != "sha256-"+sum.SHA256 || info.SHA256 != sum.SHA256 || sum.Kind != pack.File || sum.Bytes != int64(len(content)) {
			t.Errorf("Info = %+v, Summary = %+v", info, sum)
		}
		r, _, err := st.Open(t.Context(), info.ID, info.ETag)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if b, err := io.ReadAll(r); err != nil || string(b) != content {
			t.Errorf("stored are %d bytes, %v", len(b), err)
		}
	}
}

// counting counts the Puts of a store.
type counting struct {
	target.Store
	puts int
}

func (c *counting) Put(ctx context.Context, id cordon.TargetID, r io.Reader, opts target.PutOptions) (target.Info, error) {
	c.puts++
	return c.Store.Put(ctx, id, r, opts)
}

func TestTheSameProjectUploadedTwiceIsSentOnce(t *testing.T) {
	st := &counting{Store: store(t)}
	files := map[string]string{"a": "1", "b/c": "2"}
	first, existed, err := open(t, tree(t, files)).Upload(t.Context(), st, nil)
	if err != nil || existed {
		t.Fatalf("first: %v, %v", existed, err)
	}
	second, existed, err := open(t, tree(t, files)).Upload(t.Context(), st, nil)
	if err != nil || !existed || second.ETag != first.ETag || st.puts != 1 {
		t.Errorf("second: %+v, %v, %v after %d puts", second, existed, err, st.puts)
	}
}

func TestADamagedObjectUnderTheIdIsReplaced(t *testing.T) {
	st := store(t)
	s := open(t, tree(t, map[string]string{"a": "1"}))
	info, _, err := s.Upload(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(st.Root(), "targets", info.ID.String(), "target"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	again, existed, err := s.Upload(t.Context(), st, nil)
	if err != nil || existed || again.Size != info.Size {
		t.Errorf("Upload = %+v, %v, %v", again, existed, err)
	}
}

func TestASourceThatChangesAfterItsHashIsNotStored(t *testing.T) {
	for name, change := range map[string]func(root string) error{
		"a file of other content": func(root string) error { return os.WriteFile(root+"/a", []byte("2"), 0o644) },
		"a file that has grown":   func(root string) error { return os.WriteFile(root+"/a", make([]byte, 1<<20), 0o644) },
		"a file that has gone":    func(root string) error { return os.Remove(root + "/b") },
		"a file that has come":    func(root string) error { return os.WriteFile(root+"/c", nil, 0o644) },
		"a mode":                  func(root string) error { return os.Chmod(root+"/a", 0o755) },
		"a file made a FIFO":      func(root string) error { return errors.Join(os.Remove(root+"/b"), syscall.Mkfifo(root+"/b", 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			root, st := tree(t, map[string]string{"a": "1", "b": "2"}), store(t)
			s := open(t, root)
			sum, err := s.Hash(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(root); err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Upload(t.Context(), st, nil)
			if cordon.KindOf(err) != cordon.IntegrityMismatch {
				t.Errorf("Upload = %v", err)
			}
			if _, err := st.Stat(t.Context(), sum.ID); cordon.KindOf(err) != cordon.TargetNotFound {
				t.Errorf("it was stored: %v", err)
			}
		})
	}
	t.Run("a single file", func(t *testing.T) {
		for _, now := range []string{"2", "22", ""} {
			root, st := tree(t, map[string]string{"a": "1"}), store(t)
			s := open(t, root+"/a")
			sum, err := s.Hash(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+"/a", []byte(now), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, _, err = s.Upload(t.Context(), st, nil); cordon.KindOf(err) != cordon.IntegrityMismatch {
				t.Errorf("Upload = %v", err)
			}
			if _, err := st.Stat(t.Context(), sum.ID); cordon.KindOf(err) != cordon.TargetNotFound {
				t.Errorf("it was stored: %v", err)
			}
		}
	})
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

func TestProgressRunsToItsTotal(t *testing.T) {
	root := tree(t, map[string]string{"a": strings.Repeat("x", 5<<20), "b": "y", "c": string(noise(3 << 20))})
	s := open(t, root)
	var calls int
	var last, sum int64
	watch := func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d after %d of %d", done, last, total)
		}
		calls, last, sum = calls+1, done, total
	}
	want, err := s.Hash(t.Context(), watch)
	if err != nil || last != want.Bytes || sum != want.Bytes || calls < 5 || calls > 20 {
		t.Errorf("%d calls, the last with %d of %d; %v", calls, last, sum, err)
	}
	calls, last, sum = 0, 0, 0
	if _, _, err := s.Upload(t.Context(), store(t), watch); err != nil || last != want.UploadSize || sum != want.UploadSize || calls < 2 {
		t.Errorf("%d calls, the last with %d of %d; %v", calls, last, sum, err)
	}
}

func TestCancellingEndsAHashAndAnUpload(t *testing.T) {
	root := tree(t, map[string]string{"a": string(noise(8 << 20))})
	s, st := open(t, root), store(t)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Hash(ctx, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Errorf("Hash = %v", err)
	}
	if _, err := s.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if _, _, err := s.Upload(ctx, st, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) || cordon.KindOf(err) != "" {
		t.Errorf("Upload = %v", err)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
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

func TestTarUnpacksWhatWasPacked(t *testing.T) {
	for _, tool := range []string{"tar", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	files := map[string]string{"a": "1", "b/größe": "2", "b/empty/": "", "l": "-> b", strings.Repeat("deep/", 60) + "x": "3", strings.Repeat("n", 200): "4", "big": string(noise(1 << 20))}
	root, st := tree(t, files), store(t)
	info, _, err := open(t, root).Upload(t.Context(), st, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	object := filepath.Join(st.Root(), "targets", info.ID.String(), "target")
	if msg, err := exec.Command("tar", "--zstd", "-xf", object, "-C", out).CombinedOutput(); err != nil || len(msg) > 0 {
		t.Fatalf("tar: %v: %s", err, msg)
	}
	if got, want := listing(t, out), listing(t, root); got != want {
		t.Errorf("unpacked is\n%s\nwant\n%s", got, want)
	}
	if hash(t, out).ID != info.ID {
		t.Error("what was unpacked is another target than what was packed")
	}
}

// listing returns the names and contents of a tree.
func listing(t *testing.T, root string) string {
	var b bytes.Buffer
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p) // p is below root
		switch {
		case d.IsDir():
			fmt.Fprintf(&b, "%s/\n", rel)
		case d.Type() == fs.ModeSymlink:
			link, err := os.Readlink(p)
			fmt.Fprintf(&b, "%s -> %s %v\n", rel, link, err)
		default:
			content, err := os.ReadFile(p)
			fmt.Fprintf(&b, "%s %d %.20q %v\n", rel, len(content), content, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // a generator never fails
	return b
}
