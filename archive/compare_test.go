package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (s *stage) compare(b []byte) (Comparison, error) {
	s.t.Helper()
	return Compare(context.Background(), bytes.NewReader(b), int64(len(b)), s.root, Options{})
}

// same fails the test if the tree is not what was made of b, with report rep.
func (s *stage) same(b []byte, rep Report) {
	s.t.Helper()
	got, err := s.compare(b)
	must(s.t, err)
	if got.DifferenceCount != 0 {
		s.t.Errorf("differs from what it was made of: %+v", got.Differences)
	}
	if g, w := fmt.Sprintf("%+v", got.Report), fmt.Sprintf("%+v", rep); g != w {
		s.t.Errorf("comparing reports %s\nextracting    %s", g, w)
	}
}

func TestCompareFindsEveryKindOfDifference(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 50_000)
	sparse := hdr{name: "image", body: strings.Repeat("data", 2048), pax: map[string]string{
		"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "1048576",
		"GNU.sparse.numblocks": "1", "GNU.sparse.map": "65536,8192"}}
	b := tarOf(dir("d"), file("d/a", "first"), hdr{name: "d/run", body: "#!", mode: 0o755}, file("big", big), sparse,
		link("l", "d/a"), hard("h", "d/a"), file("twice", "old"), file("twice", "newer"), dir("e"), file("e/f", "x"), link("out", "/etc"))
	tests := []struct {
		name   string
		change string // by a shell in the tree
		want   []string
	}{
		{"nothing", "true", nil},
		{"permissions to write are not compared", "chmod -R a-w .", nil},
		{"nor are times", "touch -d 2001-01-01 d/a d", nil},
		{"a byte", "printf F | dd of=d/a bs=1 conv=notrunc status=none", []string{"d/a different its content differs from byte 0 on"}},
		{"a byte of a large file", "printf X | dd of=big bs=1 seek=700000 conv=notrunc status=none", []string{"big different its content differs from byte 700000 on"}},
		{"a byte before what is in a sparse file", "printf X | dd of=image bs=1 seek=5000 conv=notrunc status=none", []string{"image different its content differs from byte 5000 on"}},
		{"a byte after it", "printf X | dd of=image bs=1 seek=1048575 conv=notrunc status=none", []string{"image different its content differs from byte 1048575 on"}},
		{"a file that grew", "printf X >> d/a", []string{"d/a different it has 6 bytes, and had 5"}},
		{"a file that shrank", "truncate -s 7 big", []string{"big different it has 7 bytes, and had 800000"}},
		{"a file of an earlier entry", "printf old > twice", []string{"twice different it has 3 bytes, and had 5"}},
		{"a file that is missing", "rm big", []string{"big missing "}},
		{"a directory that is missing, with all in it", "rm -r e", []string{"e missing ", "e/f missing "}},
		{"an execute bit more", "chmod 755 big", []string{"big different its mode is 0755, and was 0644 or without the permission to write"}},
		{"an execute bit less", "chmod 644 d/run", []string{"d/run different its mode is 0644, and was 0755 or without the permission to write"}},
		{"set-id", "chmod 4755 d/run", []string{"d/run different its mode is 4755, and was 0755 or without the permission to write"}},
		{"a directory's mode", "chmod 700 e", []string{"e different its mode is 0700, and was 0755 or without the permission to write"}},
		{"another target", "ln -sfn d/ab l", []string{`l different it leads elsewhere, and led to "d/a"`}},
		{"a shorter target", "ln -sfn d l", []string{`l different it leads elsewhere, and led to "d/a"`}},
		{"a link that leads outside", "ln -sfn /etc/passwd l", []string{`l different it leads elsewhere, and led to "d/a"`}},
		{"a link that is missing", "rm l", []string{"l missing "}},
		{"a file in place of a link", "rm l; printf first > l", []string{"l different it is a file, and was a symbolic link"}},
		{"a link in place of a file", "rm big; ln -s d/a big", []string{"big different it is a symbolic link, and was a file"}},
		{"a link in place of a directory", "mv e ee; ln -s ee e", []string{"e different it is a symbolic link, and was a directory", "e/f missing ", "ee extra "}},
		{"a directory in place of a file", "rm big; mkdir big", []string{"big different it is a directory, and was a file"}},
		{"a FIFO in place of a file", "rm big; mkfifo big", []string{"big different it is a special file, and was a file"}},
		{"a hard link that is a file of its own", "cp h x; mv x h", []string{`h different it is no other name of "d/a" any more`}},
		{"a hard link that is missing", "rm h", []string{"h missing "}},
		{"two files that have become one", "ln -f e/f twice; printf newer > twice", []string{`e/f different it is the same file as "twice", and was none of its names`}},
		{"something more", "printf x > d/new; mkdir -p e/sub/deep", []string{"d/new extra ", "e/sub extra "}},
		{"a link that Extract leaves out", "ln -s /etc out", []string{"out extra "}},
		{"several", "rm d/a; printf Y > e/f; touch z", []string{"d/a missing ", "h different it is no other name of \"d/a\" any more", "e/f different its content differs from byte 0 on", "z extra "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			_, err := s.extract(b, Options{})
			must(t, err)
			s.shell(tt.change)
			before := s.outside()
			got, err := s.compare(b)
			must(t, err)
			var list []string
			for _, d := range got.Differences {
				list = append(list, fmt.Sprintf("%s %s %s", d.Path, d.Kind, d.Detail))
			}
			if strings.Join(list, "\n") != strings.Join(tt.want, "\n") || got.DifferenceCount != int64(len(tt.want)) {
				t.Errorf("%d differences:\n%s\nwant:\n%s", got.DifferenceCount, strings.Join(list, "\n"), strings.Join(tt.want, "\n"))
			}
			if s.outside() != before {
				t.Error("comparing has changed something")
			}
		})
	}
}

func (s *stage) shell(command string) {
	s.t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = filepath.Join(s.base, "stage")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// What is listed is capped, what is counted is not.
func TestCompareCountsEverything(t *testing.T) {
	var hs []hdr
	for i := range maxNoted + 50 {
		hs = append(hs, file(fmt.Sprint("f", i), ""))
	}
	s := newStage(t)
	s.shell("mkdir x y; touch z")
	got, err := s.compare(tarOf(hs...))
	must(t, err)
	if got.DifferenceCount != maxNoted+53 || len(got.Differences) != maxListed {
		t.Errorf("%d differences, %d listed", got.DifferenceCount, len(got.Differences))
	}
}

// Damage of the archive, and whatever keeps it from being read, is no difference.
func TestCompareFailsAsInspectDoes(t *testing.T) {
	b := gz(tarOf(file("a", strings.Repeat("x", 5000))))
	s := newStage(t)
	_, err := s.extract(b, Options{})
	must(t, err)
	_, want := Inspect(t.Context(), bytes.NewReader(b), int64(len(b))-9, Options{})
	if _, err := s.compare(b[:len(b)-9]); err == nil || err.Error() != want.Error() {
		t.Errorf("got %v, want %v", err, want)
	}
	broken := errors.New("the disk is on fire")
	if _, err := Compare(t.Context(), failingReader{bytes.NewReader(b), 10, broken}, int64(len(b)), s.root, Options{}); err != broken {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compare(ctx, bytes.NewReader(b), int64(len(b)), s.root, Options{}); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

// A tree that this process has too few descriptors for is not one that differs.
func TestCompareWithoutDescriptors(t *testing.T) {
	s := newStage(t)
	b := tarOf(file("a/b/c", "1"))
	_, err := s.extract(b, Options{})
	must(t, err)
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	next, err := os.Open("/dev/null")
	must(t, err)
	few := uint64(next.Fd()) + 2 // one for the top directory, one more
	next.Close()
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: was.Max}))
	got, err := s.compare(b)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was))
	if err == nil {
		t.Errorf("no error, and %+v", got)
	}
}
