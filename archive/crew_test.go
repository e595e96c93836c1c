package archive

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// A file that is replaced while its parts are still being written is the later
// one, whole.
func TestAReplacedFileIsTheLastOne(t *testing.T) {
	big := func(c string) string { return strings.Repeat(c, 3*batchBytes+17) }
	for name, hs := range map[string][]hdr{
		"large by small":  {file("a", big("1")), file("a", "2")},
		"small by large":  {file("a", "1"), file("a", big("2"))},
		"large by large":  {file("a", big("1")), file("b", "x"), file("a", big("2"))},
		"many times over": {file("a", big("0")), file("a", big("1")), file("a", ""), file("a", "3"), file("a", big("2"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			rep, err := s.extract(tarOf(hs...), Options{})
			must(t, err)
			want := files{"a": "file " + hs[len(hs)-1].body}
			if name == "large by large" {
				want["b"] = "file x"
			}
			sameTree(t, s.tree(), want)
			s.counted(rep)
		})
	}
}

// Whoever finds a fault first: the error is that of the first entry.
func TestTheFirstOfTwoFaultsIsReported(t *testing.T) {
	wrong := zfile("first", strings.Repeat("x", 100_000))
	wrong.local = func(b []byte) { b[14] ^= 1 }
	wrong.cdir = func(b []byte) { b[16] ^= 1 }
	es := []zent{zfile("good", "1"), wrong}
	for i := range 100 {
		es = append(es, zfile(fmt.Sprint("f", i), "2"))
	}
	es = append(es, zent{name: "second", mode: unixChar | 0o600})
	for range 20 {
		rep, err := newStage(t).extract(zipOf(es...), Options{})
		if cordon.KindOf(err) != cordon.ArchiveRejected || !strings.Contains(err.Error(), "first") {
			t.Fatalf("err = %v", err)
		}
		if rep.RefusedCount != 1 || !strings.Contains(rep.Refused[0].Path, "first") {
			t.Fatalf("refused: %+v", rep.Refused)
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("in the decoder") }

func TestAPanicOfADecoderIsAnError(t *testing.T) {
	a := readAhead(panicking{})
	defer a.close()
	if _, err := a.Read(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), "in the decoder") {
		t.Errorf("reading ahead: %v", err)
	}
	if _, err := readAll(readFrames(panicking{}, 1<<20)); err == nil || !strings.Contains(err.Error(), "in the decoder") {
		t.Errorf("in pieces: %v", err)
	}
}

func TestFewDescriptorsAreEnough(t *testing.T) {
	if dir := os.Getenv("CORDON_TEST_FEW_DESCRIPTORS"); dir != "" {
		extractWithFewDescriptors(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFewDescriptorsAreEnough$")
	cmd.Env = append(os.Environ(), "CORDON_TEST_FEW_DESCRIPTORS="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func extractWithFewDescriptors(t *testing.T, dir string) {
	const n = 400
	var plain, sparse []hdr
	var zipped []zent
	for i := range n {
		name := fmt.Sprintf("d%d/f", i)
		plain = append(plain, file(name, "content"))
		sparse = append(sparse, hdr{name: name, pax: map[string]string{
			"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": "5000"},
			body: "1\n0\n7\n" + strings.Repeat("\x00", 506) + "content"})
		zipped = append(zipped, zfile(name, "content"))
	}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 80, Max: 80}))
	for name, b := range (blobs{"plain": tarOf(plain...), "sparse": tarOf(sparse...), "zip": zipOf(zipped...)}) {
		for round := range 2 {
			at := filepath.Join(dir, fmt.Sprint(name, round))
			must(t, os.Mkdir(at, 0o700))
			root, err := os.OpenRoot(at)
			must(t, err)
			rep, err := Extract(t.Context(), bytes.NewReader(b), int64(len(b)), root, Options{})
			root.Close()
			if err != nil || rep.Files != n {
				t.Errorf("%s: %d files, %v", name, rep.Files, err)
			}
		}
	}
}

func TestNamesWithoutEndAreRefused(t *testing.T) {
	long := strings.Repeat("./", 1<<18) + "f"
	_, err := newStage(t).extract(tarOf(hdr{name: "x", pax: map[string]string{"path": long}}), Options{})
	if cordon.KindOf(err) != cordon.TargetTooLarge || !strings.Contains(err.Error(), "pathlen") || len(err.Error()) > 1000 {
		t.Errorf("%.300v", err)
	}
	s := newStage(t)
	_, err = s.extract(tarOf(hdr{name: "x", body: "1", pax: map[string]string{"path": strings.Repeat("./", 2000) + "f"}}), Options{})
	must(t, err)
	sameTree(t, s.tree(), files{"f": "file 1"})
}
