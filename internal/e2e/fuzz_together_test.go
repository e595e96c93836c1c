package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/fuzzsample"
)

var fuzzStorm = flag.Int("fuzz-storm", 6, "how many `SECONDS` eight runs fuzz one target at once")

// gathered is what was seen of the workspaces of runs that fuzz at once, and of the
// store.
type gathered struct {
	spaces   map[string]bool
	meetings []string             // files that two workspaces had
	appeared map[string]time.Time // crash inputs, by their hash
	stored   map[string]time.Time // likewise
}

// mark is in each workspace, with the workspace's own path as content.
const mark = "mark-of-the-test"

// look walks all workspaces once, marking those that are new. Inodes are used again
// once their files are gone, so that only those that are there at once are compared.
// By content it is the mark that tells them apart: two fuzzers may well come upon the
// same inputs.
func (g *gathered) look(t *testing.T, u user) {
	t.Helper()
	spaces, err := filepath.Glob(filepath.Join(u.data(), "cache/*/*/workspace"))
	if err != nil {
		t.Fatal(err)
	}
	now := map[uint64]string{}
	for _, ws := range spaces {
		if !g.spaces[ws] {
			g.spaces[ws] = true
			_ = os.WriteFile(filepath.Join(ws, mark), []byte(ws), 0o644) // gone already, perhaps
		}
		_ = filepath.WalkDir(ws, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return nil // gone meanwhile
			}
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() {
				return nil
			}
			inode := info.Sys().(*syscall.Stat_t).Ino
			if other, ok := now[inode]; ok && other != ws {
				g.meetings = append(g.meetings, path+" is also a file of "+other)
			}
			now[inode] = ws
			g.find(path)
			if e.Name() == mark {
				if own, err := os.ReadFile(path); err == nil && string(own) != ws {
					g.meetings = append(g.meetings, path+" is "+string(own)+"'s")
				}
			}
			return nil
		})
	}
	inputs, err := filepath.Glob(filepath.Join(u.data(), "store/fuzzing/crashes/*/*/inputs/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range inputs {
		hash := filepath.Base(in)
		if info, err := os.Stat(in); err == nil && len(hash) == 64 && g.stored[hash].IsZero() {
			g.stored[hash] = info.ModTime()
		}
	}
}

// find notes a crash input that waits for being stored.
func (g *gathered) find(path string) {
	if filepath.Base(filepath.Dir(path)) != "artifacts" {
		return
	}
	info, err := os.Stat(path)
	data, err2 := os.ReadFile(path)
	if err != nil || err2 != nil {
		return // kept meanwhile
	}
	sum := sha256.Sum256(data)
	if hash := hex.EncodeToString(sum[:]); g.appeared[hash].IsZero() {
		g.appeared[hash] = info.ModTime()
	}
}

func TestEightRunsFuzzOneTargetAtOnce(t *testing.T) {
	s := fuzzsample.Of("libfuzzer")
	u, project := newUser(t).plantSample(t, s)
	u = u.with("MAX_CONCURRENT_ACTIVITIES=8")
	d := u.dev(t)
	client := u.with("TEMPORAL_ADDRESS=" + d.Temporal)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)

	const runs = 8
	answers := make([]answer, runs)
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			answers[i] = client.cordon(t, "run", s.Workflow, id, "--lineage", "project", "--data", u.data(), "--json", "-p", "timeout_seconds="+strconv.Itoa(*fuzzStorm))
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	g := &gathered{spaces: map[string]bool{}, appeared: map[string]time.Time{}, stored: map[string]time.Time{}}
	for ended := false; !ended; {
		select {
		case <-over:
			ended = true
		case <-time.After(100 * time.Millisecond):
		}
		g.look(t, u)
	}

	if len(g.spaces) != runs {
		t.Errorf("%d workspaces were seen, want %d", len(g.spaces), runs)
	}
	for _, m := range g.meetings {
		t.Error(m)
	}
	bugs := map[string]bool{}
	for _, got := range answers {
		if got.code != 0 {
			t.Fatalf("exit code %d\n%s", got.code, got)
		}
		var r fuzzed
		decode(t, got.out, &r)
		bugs[r.crashOf(t, s, got.err).Metadata.Crash] = true
	}
	if len(bugs) != 1 {
		t.Errorf("eight runs of one target found the bugs %v, want one", bugs)
	}
	u.mustStoreOnce(t)
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if left, err := filepath.Glob(filepath.Join(u.data(), "cache/.cordon/trash/*")); err != nil || len(left) == 0 {
			break // what was cleaned up is deleted a little later
		}
	}
	u.nothingLeft(t)
	u.mustRunNothing(t)
	g.mustBeStoredSoon(t)
}

// mustStoreOnce fails unless each crash input in the store is there once, under the
// hash of its content.
func (u user) mustStoreOnce(t *testing.T) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join(u.data(), "store/fuzzing/crashes/*/*/inputs/*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, in := range inputs {
		hash := filepath.Base(in)
		if strings.HasSuffix(hash, ".json") {
			continue
		}
		data, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hash {
			t.Errorf("%s holds something else", in)
		}
		if seen[hash] != "" {
			t.Errorf("%s and %s are one input", in, seen[hash])
		}
		seen[hash] = in
	}
	if len(seen) == 0 {
		t.Error("no input is stored")
	}
}

// inStore is how soon a crash input must be in the store at the latest, on whatever
// machine; the promise is 5 s.
const inStore = 30 * time.Second

// mustBeStoredSoon looks at how long inputs took from the fuzzer's file to the store.
func (g *gathered) mustBeStoredSoon(t *testing.T) {
	t.Helper()
	var worst time.Duration
	n := 0
	for hash, stored := range g.stored {
		if at, ok := g.appeared[hash]; ok {
			n++
			worst = max(worst, stored.Sub(at))
		}
	}
	t.Logf("%d inputs were seen to appear; the slowest was in the store %v later", n, worst.Round(time.Millisecond))
	if n == 0 || worst > inStore {
		t.Errorf("of %d inputs one took %v to get into the store", n, worst)
	}
}

func TestAFuzzingRunTellsHowFarItIsAndStopsAtCtrlC(t *testing.T) {
	s := fuzzsample.Of("libfuzzer")
	u, project := newUser(t).plantSample(t, s)
	// One without a bug: whoever meets the same one again and again stops early.
	calm := `#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return size > 3 && data[0] == 'c' && data[1] == 'a' ? 0 : -1; }
`
	if err := os.WriteFile(filepath.Join(project, "fuzz", "calm.c"), []byte(calm), 0o644); err != nil {
		t.Fatal(err)
	}
	p, _ := u.startExpecting(t, 130, "run", s.Workflow, project, "--data", u.data(), "-p", "timeout_seconds=600", "-p", "target_name=calm")
	p.waitLog(t, " execs, ")
	for _, words := range []string{"calm: ", "/s, cov ", "0 crashes"} {
		p.waitLog(t, words)
	}
	began := time.Now()
	if code := p.stop(t); code != 130 {
		t.Errorf("exit code %d\n%s", code, p.log())
	}
	took := time.Since(began)
	t.Logf("over %v after the interrupt", took.Round(time.Millisecond))
	if took > 20*time.Second { // the promise is 5 s; the rest is for a busy machine, and for the server's own end
		t.Errorf("it took %v", took)
	}
	u.nothingLeft(t)
	u.mustRunNothing(t)
}

func TestASharedWorkspaceIsNotFuzzed(t *testing.T) {
	for _, s := range fuzzsample.All {
		t.Run(s.Engine, func(t *testing.T) {
			u, project := newUser(t).plantSample(t, s)
			got := u.must(t, 1, "run", s.Workflow, project, "--data", u.data(), "--isolation", "shared")
			for _, want := range []string{"shared", `workspace_isolation: "isolated"`, "copy-on-write"} {
				if !strings.Contains(got.err, want) {
					t.Errorf("it does not say %q:\n%s", want, got.err)
				}
			}
			u.mustRunNothing(t)
		})
	}
}
