//go:build !race

package fleet

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon/crash"
)

// finds are the crash inputs that libFuzzer has left on the hosts' disks.
type finds struct {
	mu  sync.Mutex
	all map[string]find // by SHA-256
}

type find struct{ path, run string }

// collect looks for crash inputs on all hosts, whoever is off or cut off, until stop is
// called: a workspace that goes takes along what nobody has seen in it.
func (f *fleet) collect() (found *finds, stop func()) {
	found = &finds{all: map[string]find{}}
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
				f.look(found)
			}
		}
	})
	return found, sync.OnceFunc(func() { close(done); looking.Wait() })
}

func (f *fleet) look(found *finds) {
	for _, h := range f.hosts {
		paths, err := filepath.Glob(filepath.Join(h.disk, "*", "*", "workspace", ".cordon-fuzz", "*", "harnesses", "*", "*", "crash-*"))
		if err != nil {
			f.t.Error(err)
			return
		}
		for _, path := range paths {
			body, err := os.ReadFile(path)
			// libFuzzer names a file by what is in it: one that is being written is another one.
			if sum := sha1.Sum(body); err != nil || !strings.HasSuffix(path, hex.EncodeToString(sum[:])) {
				continue
			}
			rel := strings.Split(strings.TrimPrefix(path, h.disk+"/"), "/")
			sum := sha256.Sum256(body)
			found.mu.Lock()
			found.all[hex.EncodeToString(sum[:])] = find{path, rel[1][:len("01234567-0123-0123-0123-0123456789ab")]} // without what tells its workspaces apart
			found.mu.Unlock()
		}
	}
}

func (f *finds) list() map[string]find {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.all)
}

// waiting is how many of them wait on h for the store.
func (f *finds) waiting(h *host) (n int) {
	for _, at := range f.list() {
		if strings.HasPrefix(at.path, h.disk+"/") && filepath.Base(filepath.Dir(at.path)) == "artifacts" {
			n++
		}
	}
	return n
}

// enough is how many inputs of one bug are kept for one run (package crash).
const enough = 20

// mustHaveStored fails unless the store has every crash: of each fuzzing run a record of
// its crash, which names inputs that are there byte for byte; and each input that was found.
func (f *fleet) mustHaveStored(all []work, found *finds) {
	f.t.Helper()
	bodies, records, runs, bugs := map[string][]byte{}, map[string]crash.Input{}, map[string]bool{}, map[string]bool{}
	for b, err := range f.store.ListBlobs(f.t.Context(), "crashes") {
		if err != nil {
			f.t.Fatal(err)
		}
		at, name := filepath.Split(b.Key)
		switch body := f.read(b.Key); {
		case name == "crash.json":
			bugs[at] = true
		case strings.HasSuffix(at, "/runs/"):
			runs[strings.TrimSuffix(name, ".json")] = true
		case !strings.HasSuffix(name, ".json"):
			bodies[b.Key] = body
		default:
			var in crash.Input
			if err := json.Unmarshal(body, &in); err != nil {
				f.t.Errorf("%s: %v", b.Key, err)
			}
			records[strings.TrimSuffix(b.Key, ".json")] = in
		}
	}
	stored, of := map[string]bool{}, map[string]int{} // by SHA-256; by run
	for key, in := range records {
		body, ok := bodies[key]
		sum := sha256.Sum256(body)
		if hash := hex.EncodeToString(sum[:]); !ok || hash != filepath.Base(key) || hash != in.SHA256 || int64(len(body)) != in.Size {
			f.t.Errorf("the input that %s.json names is not there as it was: %v, %d bytes of %d with the SHA-256 %s", key, ok, len(body), in.Size, hash)
		}
		if at := strings.TrimSuffix(key, "inputs/"+in.SHA256); !bugs[at] {
			f.t.Errorf("%s has an input and no crash.json", at)
		}
		stored[in.SHA256] = true
		of[in.Run]++
	}
	for _, w := range all {
		if w.sum == "" && (!runs[w.GetRunID()] || len(records) == 0) {
			f.t.Errorf("the crash of %s is not in the store: %v", w.GetRunID(), slices.Collect(maps.Keys(runs)))
		}
	}
	for hash, at := range found.list() {
		if !stored[hash] && of[at.run] < enough {
			f.t.Errorf("%s was found, and no record of it (%s) is in the store, which has %d inputs of that run", at.path, hash, of[at.run])
		}
	}
	f.t.Logf("%d crash inputs were on the hosts' disks; the store has %d, of %d crashes and %d runs", len(found.list()), len(records), len(bugs), len(runs))
	if len(found.list()) == 0 {
		f.t.Error("nobody has seen a crash input")
	}
}

// read returns a blob.
func (f *fleet) read(key string) []byte {
	f.t.Helper()
	r, _, err := f.store.OpenBlob(f.t.Context(), key)
	if err != nil {
		f.t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return body
}
