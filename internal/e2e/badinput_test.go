package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cordonlabs/cordon/target/miniotest"
)

// Bad input is one clear error each, with the right exit code, and leaves
// nothing behind.
func TestBadInput(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, u *user) []string // returns the command line, to which --data is added
		code  int
		says  []string
	}{
		{"an unknown workflow", func(t *testing.T, u *user) []string {
			return []string{"run", "secret_detecton", u.plant(t)}
		}, 3, []string{`"secret_detecton"`, "secret_detection", "security_assessment", "did you mean"}},

		{"a target that does not exist", func(*testing.T, *user) []string {
			return []string{"run", "secret_detection", "no-such-project"}
		}, 3, []string{`"no-such-project"`, "neither a file or folder"}},

		{"an empty folder", func(t *testing.T, u *user) []string {
			dir := filepath.Join(u.home, "empty")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			return []string{"run", "secret_detection", dir}
		}, 1, []string{"empty", "give a folder with files"}},

		{"an unreadable file", func(t *testing.T, u *user) []string {
			u.becomeNobody(t)
			dir := u.plant(t)
			if err := os.Chmod(filepath.Join(dir, "README.md"), 0); err != nil {
				t.Fatal(err)
			}
			return []string{"run", "secret_detection", dir}
		}, 1, []string{"README.md", "permission denied", ".cordonignore"}},

		{"a broken archive", func(t *testing.T, u *user) []string {
			whole := archive(t, tar.Header{Name: "a.txt", Mode: 0o644})
			return []string{"run", "secret_detection", u.file(t, "broken.tar.gz", whole[:len(whole)/2])}
		}, 1, []string{"archive"}},

		{"a hostile archive", func(t *testing.T, u *user) []string {
			return []string{"run", "secret_detection", u.file(t, "hostile.tar.gz", archive(t, tar.Header{Name: "../../outside.txt", Mode: 0o644}))}
		}, 1, []string{"outside.txt"}},

		{"no rights on CACHE_DIR", func(t *testing.T, u *user) []string {
			dir := filepath.Join(t.TempDir(), "mine")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			u.becomeNobody(t)
			if u.as == nil {
				if err := os.Chmod(dir, 0o500); err != nil {
					t.Fatal(err)
				}
			}
			*u = u.with("CORDON_STORE=" + filepath.Join(u.data(), "store"))
			return []string{"run", "secret_detection", u.plant(t), "--cache-dir", dir}
		}, 1, []string{"permission denied", "mine"}},

		{"a wrong size", func(t *testing.T, u *user) []string {
			*u = u.with("CACHE_MAX_SIZE=lots")
			return []string{"run", "secret_detection", u.plant(t)}
		}, 2, []string{"CACHE_MAX_SIZE", `"lots"`, "10GiB"}},

		{"a wrong duration", func(t *testing.T, u *user) []string {
			*u = u.with("CACHE_TTL=a week")
			return []string{"run", "secret_detection", u.plant(t)}
		}, 2, []string{"CACHE_TTL", `"a week"`, "7d"}},

		{"a target that is larger than the cache may be", func(t *testing.T, u *user) []string {
			*u = u.with("CACHE_MAX_SIZE=4kB")
			return []string{"run", "secret_detection", u.plant(t)}
		}, 1, []string{"CACHE_MAX_SIZE"}},

		{"a dead Temporal", func(t *testing.T, u *user) []string {
			return []string{"run", "secret_detection", u.plant(t), "--address", closedPort(t)}
		}, 4, []string{"Temporal", "127.0.0.1:", "TEMPORAL_ADDRESS"}},

		{"a dead S3", func(t *testing.T, u *user) []string {
			*u = u.with("S3_ENDPOINT=http://"+closedPort(t), "S3_ACCESS_KEY=someone", "S3_SECRET_KEY=hush-hush-hush")
			return []string{"run", "secret_detection", u.plant(t)}
		}, 4, []string{"127.0.0.1:", "S3_ENDPOINT"}},

		{"wrong credentials", func(t *testing.T, u *user) []string {
			s := miniotest.Start(t)
			*u = u.with("S3_ENDPOINT="+s.Endpoint, "S3_ACCESS_KEY="+s.AccessKey, "S3_SECRET_KEY=hush-hush-hush")
			return []string{"run", "secret_detection", u.plant(t)}
		}, 1, []string{"S3_SECRET_KEY"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			args := append(tt.setup(t, &u), "--data", u.data())
			got := u.must(t, tt.code, args...)
			if got.out != "" {
				t.Errorf("standard output is not empty: %s", got.out)
			}
			var errs []string
			for line := range strings.Lines(got.err) {
				if strings.HasPrefix(line, "cordon: ") {
					errs = append(errs, line)
				}
			}
			if len(errs) != 1 {
				t.Fatalf("want one error, got %d:\n%s", len(errs), got.err)
			}
			for _, want := range tt.says {
				if !strings.Contains(errs[0], want) {
					t.Errorf("%q is missing in: %s", want, errs[0])
				}
			}
			for _, never := range []string{"goroutine ", "hush-hush-hush", "Usage:"} {
				if strings.Contains(got.err, never) {
					t.Errorf("%q is in:\n%s", never, got.err)
				}
			}
			u.nothingLeft(t)
		})
	}
}

func TestAFullCacheIsNoSpaceUntilSomethingEnds(t *testing.T) {
	t.Parallel()
	u := newUser(t, "CACHE_MAX_SIZE=7MB") // room for two runs' objects and trees of 1 MB each, not for three
	file := u.file(t, "one.tar.gz", archive(t, tar.Header{Name: "a", Mode: 0o644, Size: 1e6}))
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", file, "--data", u.data()).out)
	var held []string
	for run := range 9 {
		got := u.cordon(t, "get", id, "--run", string(rune('a'+run)), "--data", u.data())
		if got.code == 7 {
			if !strings.Contains(got.err, "CACHE_MAX_SIZE") {
				t.Errorf("it does not say what to do: %s", got.err)
			}
			break
		}
		if got.code != 0 {
			t.Fatalf("exit code %d: %s", got.code, got)
		}
		held = append(held, strings.TrimSpace(got.out))
	}
	if len(held) == 0 || len(held) > 3 {
		t.Fatalf("%d runs of 2 MB each have room in 7 MB", len(held))
	}
	u.must(t, 0, "cleanup", held[0], "--data", u.data())
	u.must(t, 0, "get", id, "--run", "z", "--data", u.data())
}

// becomeNobody makes u somebody without rights, who root is not.
func (u *user) becomeNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	// Neither the test's own folder nor the program can be reached by others.
	home, err := os.MkdirTemp("", "cordon-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	const nobody = 65534
	u.as, u.home = &syscall.Credential{Uid: nobody, Gid: nobody}, home
	u.env = append(u.env, "HOME="+home)
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	u.binary = filepath.Join(home, "cordon")
	from, err := os.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(u.binary, os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(to, from)
		to.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (u user) file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(u.home, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// archive is a tar.gz of one file that does not compress: of h.Size, or 64 KiB.
func archive(t *testing.T, h tar.Header) []byte {
	t.Helper()
	content := make([]byte, max(h.Size, 64<<10))
	for i, x := 0, uint32(1); i < len(content); i++ {
		x = x*1664525 + 1013904223
		content[i] = byte(x >> 24)
	}
	h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// closedPort is an address on loopback at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
