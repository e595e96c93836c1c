package crash

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// adderDir makes the test binary a process that adds crashes to the store in that
// directory until it is killed, and prints the hash of each that is in it.
const adderDir = "CORDON_TEST_CRASH_ADDER"

func TestMain(m *testing.M) {
	if root := os.Getenv(adderDir); root != "" {
		addForEver(root)
	}
	os.Exit(miniotest.Main(m))
}

func addForEver(root string) {
	d, err := dir.Open(root)
	if err != nil {
		panic(err)
	}
	id, err := cordon.ParseTargetID("wire-1")
	if err != nil {
		panic(err)
	}
	s := NewStore(d, slog.New(slog.DiscardHandler))
	for i := 0; ; i++ {
		c := Crash{Origin: Origin{Lineage: "wire", Target: id, Engine: "libfuzzer", Run: fmt.Sprint("r", os.Getpid(), i/10)}}
		c.Crash = fuzz.Crash{Input: fmt.Appendf(nil, "%d of %d", i, os.Getpid()), Kind: fuzz.FoundCrash, Harness: fuzz.Harness{Name: "decode"}, Seen: time.Now()}
		c.Log = fmt.Sprintf("==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1\n    #0 0x1 in f%d /src/f.c:1\n", i%3)
		a, err := s.Add(context.Background(), c)
		if err != nil {
			panic(err)
		}
		fmt.Println(a.SHA256)
	}
}

func TestKilledWritersLoseNothingThatTheyHadAdded(t *testing.T) {
	root := t.TempDir()
	added := map[string]bool{}
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), adderDir+"="+root)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			added[lines.Text()] = true
			if n == 5+round {
				// In the middle of whatever it is at.
				time.Sleep(time.Duration(round) * time.Millisecond)
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
	}
	if len(added) < 6*6 {
		t.Fatalf("only %d inputs were added", len(added))
	}
	s, warned := storeIn(t, root)
	stored := map[string]bool{}
	for _, b := range list(t, s, Filter{}) {
		for _, in := range b.Inputs {
			stored[in.SHA256] = true
			if _, err := s.Read(t.Context(), in); err != nil {
				t.Error(err)
			}
		}
	}
	for sha := range added {
		if !stored[sha] {
			t.Errorf("%s was added and is not there", sha)
		}
	}
	if warned.Len() > 0 {
		t.Errorf("something is damaged: %s", warned)
	}
}

func TestTheStoreWorksOverS3(t *testing.T) {
	srv := miniotest.Start(t)
	bucket := srv.Bucket(t)
	open := func() *Store {
		blobs, err := s3.Open(s3.Config{
			Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey,
			Bucket: srv.MakeBucket(t), ResultsBucket: srv.MakeBucket(t), BlobsBucket: bucket, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return NewStore(blobs, slog.New(slog.DiscardHandler))
	}
	s, other := open(), open()
	if got := list(t, s, Filter{}); len(got) != 0 {
		t.Errorf("%d bugs in a store that nobody has written to", len(got))
	}
	first := add(t, s, someCrash(t, "boom"))
	if again := add(t, other, someCrash(t, "boom")); !first.NewBug || !first.NewInput || again.NewBug || again.NewInput {
		t.Errorf("%+v, then %+v", first, again)
	}
	for i := range 25 {
		add(t, other, someCrash(t, fmt.Sprintf("%0*d", 100-i, 7)))
	}
	small := someCrash(t, "b")
	small.Smaller, small.Tried, small.Reproduced = first.SHA256, 3, 3
	add(t, s, small)
	b, in, err := s.Get(t.Context(), first.Signature[:8], "wire")
	if err != nil || b.Count != maxPerRun+1 || in.Size != 1 || in.Stability != Stable {
		t.Fatalf("%d inputs, the best of %d bytes, %v", b.Count, in.Size, err)
	}
	for _, in := range b.Inputs {
		if _, err := other.Read(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
}
