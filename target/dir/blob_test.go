package dir_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/targettest"
)

func TestBlobConformance(t *testing.T) {
	targettest.RunBlobs(t, func(t *testing.T) targettest.BlobHarness {
		root := filepath.Join(t.TempDir(), "not-made-yet")
		return targettest.BlobHarness{Blobs: open(t, root), Stored: func(t *testing.T) []string { return below(t, filepath.Join(root, "fuzzing")) }}
	})
}

// below returns everything below dir, empty directories too.
func below(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if empty, rerr := os.ReadDir(p); p != dir && (!d.IsDir() || rerr == nil && len(empty) == 0) {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestABlobIsWhereTheContractSays(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	if _, err := s.PutBlob(t.Context(), "crashes/p/1/input", strings.NewReader("x"), 1, target.PutBlob{}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "fuzzing/crashes/p/1/input")); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestABlobBelowAnotherOneIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for _, opts := range []target.PutBlob{{}, {IfAbsent: true}} {
		for _, key := range []string{"a/b", "a/b/c", "a"} {
			_, err := s.PutBlob(t.Context(), key, strings.NewReader("x"), 1, opts)
			if want := key != "a/b"; (cordon.KindOf(err) == cordon.InvalidArgument) != want || !want && err != nil {
				t.Errorf("PutBlob %s: %v", key, err)
			}
		}
	}
	if _, _, err := s.OpenBlob(t.Context(), "a"); cordon.KindOf(err) != cordon.TargetNotFound {
		t.Errorf("OpenBlob = %v", err)
	}
}

// putForever names the directory that a process puts blobs into until it is killed.
const putForever = "CORDON_TEST_PUT_BLOBS"

func TestMain(m *testing.M) {
	if root := os.Getenv(putForever); root != "" {
		putUntilKilled(root)
	}
	os.Exit(m.Run())
}

// putUntilKilled puts blobs, each whole of one byte, and prints each key that is stored.
func putUntilKilled(root string) {
	s, err := dir.Open(root)
	for i := 0; err == nil; i++ {
		body := bytes.Repeat([]byte{byte(i)}, 300_000)
		key := fmt.Sprintf("kill/%d/%d", os.Getpid(), i)
		if _, err = s.PutBlob(context.Background(), key, bytes.NewReader(body), int64(len(body)), target.PutBlob{IfAbsent: i%2 == 0}); err == nil {
			fmt.Println(key)
		}
	}
	panic(err)
}

func TestKilledPutsLeaveWholeBlobsAndNothingAfterTheNext(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	said := map[string]bool{}
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), putForever+"="+root)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n <= round%3 && lines.Scan(); n++ {
			said[lines.Text()] = true
		}
		time.Sleep(time.Duration(round) * 300 * time.Microsecond) // somewhere else in a put each time
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			said[lines.Text()] = true
		}
		_ = cmd.Wait() // it was killed
	}
	if _, err := s.PutBlob(t.Context(), "last", strings.NewReader(""), 0, target.PutBlob{}); err != nil {
		t.Fatal(err)
	}
	for info, err := range s.ListBlobs(t.Context(), "kill") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(root, "fuzzing", info.Key))
		if err != nil || len(b) != 300_000 || bytes.Count(b, b[:1]) != len(b) {
			t.Errorf("%s has %d bytes, %v", info.Key, len(b), err)
		}
		delete(said, info.Key)
	}
	if len(said) != 0 {
		t.Errorf("lost: %v", said)
	}
	for _, name := range below(t, filepath.Join(root, "fuzzing")) {
		if strings.Contains(name, ".put-") {
			t.Errorf("left over: %s", name)
		}
	}
}
