package corpus_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

var name = corpus.Name{Lineage: "parser/main", Engine: "afl++", Harness: "fuzz_xml"}

const prefix = "corpora/parser%2Fmain/afl++/fuzz_xml"

func store(t testing.TB) (*dir.Store, string) {
	t.Helper()
	root := t.TempDir()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s, filepath.Join(root, "fuzzing")
}

var quiet = corpus.Options{Log: slog.New(slog.DiscardHandler)}

// run is one run: its view of the corpus, and its directory.
type run struct {
	*corpus.Corpus
	dir  string
	root *os.Root
}

func newRun(t testing.TB, b target.Blobs, o corpus.Options) *run {
	t.Helper()
	d := t.TempDir()
	root, err := os.OpenRoot(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &run{corpus.Open(b, name, o), d, root}
}

func (r *run) find(t testing.TB, inputs ...string) {
	t.Helper()
	for i, in := range inputs {
		if err := os.WriteFile(filepath.Join(r.dir, fmt.Sprintf("found-%d-%x", i, sha256.Sum256([]byte(in)))[:40]), []byte(in), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *run) push(t testing.TB) corpus.PushReport {
	t.Helper()
	report, err := r.Push(t.Context(), r.root)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (r *run) pull(t testing.TB) corpus.PullReport {
	t.Helper()
	report, err := r.Pull(t.Context(), r.root)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (r *run) merge(t testing.TB) corpus.MergeReport {
	t.Helper()
	report, err := r.Merge(t.Context(), r.root)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// contents returns what a directory holds, by content.
func contents(t testing.TB, dir string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[string(b)] = true
	}
	return all
}

// stored returns what a new run gets.
func stored(t testing.TB, b target.Blobs) map[string]bool {
	t.Helper()
	r := newRun(t, b, quiet)
	r.pull(t)
	for _, e := range contentsByName(t, r.dir) {
		sum := sha256.Sum256([]byte(e.body))
		if e.name != hex.EncodeToString(sum[:]) {
			t.Errorf("%s has other content", e.name)
		}
	}
	return contents(t, r.dir)
}

type named struct{ name, body string }

func contentsByName(t testing.TB, dir string) (all []named) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, named{e.Name(), string(b)})
	}
	return all
}

func want(t testing.TB, got map[string]bool, inputs ...string) {
	t.Helper()
	for _, in := range inputs {
		if !got[in] {
			t.Errorf("%.40q is missing", in)
		}
	}
	if len(got) != len(inputs) {
		t.Errorf("%d inputs, want %d: %.200q", len(got), len(inputs), fmt.Sprint(got))
	}
}

func packs(t testing.TB, b target.Blobs) (keys []string) {
	t.Helper()
	for info, err := range b.ListBlobs(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(info.Key, ".tar.zst") {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func TestWhatOneRunPushesTheNextPulls(t *testing.T) {
	b, _ := store(t)
	first, second := newRun(t, b, quiet), newRun(t, b, quiet)
	if r := first.pull(t); r.Packs != 0 || r.Files != 0 {
		t.Errorf("of nothing was pulled %+v", r)
	}
	first.find(t, "a", "b", "", "b")
	if r := first.push(t); r.Files != 3 || r.Packs != 1 {
		t.Errorf("Push = %+v", r)
	}
	if r := first.push(t); r.Files != 0 || r.Packs != 0 || r.Known != 4 {
		t.Errorf("the second Push = %+v", r)
	}
	if r := second.pull(t); r.Files != 3 || r.Bytes != 2 {
		t.Errorf("Pull = %+v", r)
	}
	want(t, contents(t, second.dir), "a", "b", "")
	second.find(t, "a", "c")
	if r := second.push(t); r.Files != 1 {
		t.Errorf("Push of one that is new = %+v", r)
	}
	if r := first.pull(t); r.Files != 1 || r.Packs != 1 {
		t.Errorf("Pull of one that is new = %+v", r)
	}
	want(t, contents(t, first.dir), "a", "b", "c", "")
	if r := first.push(t); r.Files != 0 {
		t.Errorf("what was pulled is pushed: %+v", r)
	}
}

func TestAVersionStandsForWhatItsRunHasSeenAndForNothingElse(t *testing.T) {
	b, _ := store(t)
	a, other := newRun(t, b, quiet), newRun(t, b, quiet)
	a.find(t, "a1", "a2", "a3")
	a.push(t)
	late := newRun(t, b, quiet)
	late.pull(t)
	other.find(t, "other")
	other.push(t)

	merged := newRun(t, b, quiet)
	merged.find(t, "a1") // minimisation keeps one
	report, err := a.Merge(t.Context(), merged.root)
	if err != nil || report.Files != 1 || report.Supersedes != 1 {
		t.Fatalf("Merge = %+v, %v", report, err)
	}
	want(t, stored(t, b), "a1", "other")

	// A second merge of a run that has not seen the first one.
	merged2 := newRun(t, b, quiet)
	merged2.find(t, "a2")
	if _, err := late.Merge(t.Context(), merged2.root); err != nil {
		t.Fatal(err)
	}
	want(t, stored(t, b), "a1", "a2", "other")

	// One that has seen all.
	all := newRun(t, b, quiet)
	all.pull(t)
	merged3 := newRun(t, b, quiet)
	merged3.find(t, "other")
	if r, err := all.Merge(t.Context(), merged3.root); err != nil || r.Supersedes != 4 {
		t.Fatalf("Merge = %+v, %v", r, err)
	}
	want(t, stored(t, b), "other")

	versions, err := all.Versions(t.Context())
	if err != nil || len(versions) != 3 || versions[0].Inputs != 1 {
		t.Fatalf("Versions = %+v, %v", versions, err)
	}
	back := newRun(t, b, quiet)
	if _, err := back.PullVersion(t.Context(), back.root, versions[2].Name); err != nil {
		t.Fatal(err)
	}
	want(t, contents(t, back.dir), "a1")
	if _, err := back.Replace(t.Context(), back.root); err != nil {
		t.Fatal(err)
	}
	want(t, stored(t, b), "a1")

	for version, kind := range map[string]cordon.Kind{"nonsense": cordon.InvalidArgument, "../x": cordon.InvalidArgument, strings.Replace(versions[0].Name, "Z-", "Z-A", 1): cordon.TargetNotFound} {
		if _, err := back.PullVersion(t.Context(), back.root, version); cordon.KindOf(err) != kind {
			t.Errorf("PullVersion(%q) = %v", version, err)
		}
	}
}

func TestAMergeOfNothingIsRefused(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "a")
	r.push(t)
	if _, err := r.Merge(t.Context(), newRun(t, b, quiet).root); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("Merge = %v", err)
	}
	want(t, stored(t, b), "a")
}

func TestHostileFilesAreNeitherFollowedNorReadNorWaitedFor(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, corpus.Options{MaxInput: 1000, Log: quiet.Log})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.find(t, "good", strings.Repeat("x", 1001))
	for _, err := range []error{
		os.Symlink(secret, filepath.Join(r.dir, "link")),
		syscall.Mkfifo(filepath.Join(r.dir, "fifo"), 0o600),
		os.Mkdir(filepath.Join(r.dir, "directory"), 0o755),
		os.WriteFile(filepath.Join(r.dir, "directory", "deeper"), []byte("deeper"), 0o600),
		os.WriteFile(filepath.Join(r.dir, ".hidden"), []byte("hidden"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if report := r.push(t); report.Files != 1 || report.Oversized != 1 {
		t.Errorf("Push = %+v", report)
	}
	want(t, stored(t, b), "good")

	// What is planted under an input's name stays as it is and is not written through.
	p := newRun(t, b, quiet)
	sum := sha256.Sum256([]byte("good"))
	if err := os.Symlink(secret, filepath.Join(p.dir, hex.EncodeToString(sum[:]))); err != nil {
		t.Fatal(err)
	}
	if report := p.pull(t); report.Files != 1 || report.Present != 0 {
		t.Errorf("Pull = %+v", report)
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("the file behind the link is %q, %v", got, err)
	}
}

// A pull that was killed in the middle of a file, in a workspace that is pulled into
// again: the input must not count as there, or the next version would lose it.
func TestHalfAFileOfAnEarlierPullIsNotTheInput(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "the whole input")
	r.push(t)
	p := newRun(t, b, quiet)
	if err := os.WriteFile(filepath.Join(p.dir, input("the whole input").name), []byte("the wh"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.pull(t)
	p.merge(t)
	if got := stored(t, b); !got["the whole input"] {
		t.Errorf("left are %v", got)
	}
}

func TestAFileThatChangesIsPushedAgainAlsoWithItsOldTimes(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	path := filepath.Join(r.dir, "x")
	when := time.Now().Add(-time.Hour)
	for _, body := range []string{"one", "two"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		r.push(t)
		time.Sleep(20 * time.Millisecond) // the kernel's clock for files ticks every few
	}
	want(t, stored(t, b), "one", "two")
}

func TestLimitsDropTheLargestInputsAndSaySo(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	for n := 1; n <= 9; n++ {
		r.find(t, strings.Repeat(string(rune('0'+n)), n*100))
		r.push(t)
	}
	for what, o := range map[string]corpus.Options{"files": {MaxFiles: 4, Log: quiet.Log}, "bytes": {MaxBytes: 1050, Log: quiet.Log}} {
		p := newRun(t, b, o)
		report := p.pull(t)
		if report.Files != 4 || report.Bytes != 1000 || report.Dropped != 5 || report.DroppedBytes != 3500 {
			t.Errorf("%s: Pull = %+v", what, report)
		}
		var inputs []string
		for n := 1; n <= 4; n++ {
			inputs = append(inputs, strings.Repeat(string(rune('0'+n)), n*100))
		}
		want(t, contents(t, p.dir), inputs...)
	}
	limited := newRun(t, b, corpus.Options{MaxFiles: 3, MaxInput: 10, Log: quiet.Log})
	limited.find(t, "1", "22", "333", "4444", "55555", strings.Repeat("6", 11))
	if report := limited.push(t); report.Files != 3 || report.LeftOut != 2 || report.Oversized != 1 {
		t.Errorf("Push = %+v", report)
	}
	if report := limited.push(t); report.Files != 0 || report.LeftOut != 2 {
		t.Errorf("the limit is not one of the run: %+v", report)
	}
	if p := newRun(t, b, corpus.Options{MaxInput: 150, Log: quiet.Log}).pull(t); p.Oversized != 8 || p.Files != 4 {
		t.Errorf("Pull of small inputs alone = %+v", p)
	}
}

// member is one of a pack that somebody has made by hand.
type member struct {
	name string
	body string
	size int64 // of which only the header tells, where it is not 0
	kind byte
}

func packOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.body)), Typeflag: tar.TypeReg, Linkname: "x"}
		if m.size != 0 {
			h.Size = m.size
		}
		if m.kind != 0 {
			h.Typeflag = m.kind
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil && members[len(members)-1].size == 0 {
		t.Fatal(err)
	}
	_ = w.Close() // fails where a member is shorter than its header says
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func input(body string) member {
	sum := sha256.Sum256([]byte(body))
	return member{name: hex.EncodeToString(sum[:]), body: body}
}

func TestABadPackIsSkippedAndTheRestIsPulled(t *testing.T) {
	good := packOf(t, input("in the pack"))
	truncated := packOf(t, input(strings.Repeat("long", 9999)), input("b"))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-2] ^= 1 // of the checksum
	sum := input("x")
	for what, body := range map[string][]byte{
		"nothing":                      {},
		"noise":                        []byte(strings.Repeat("noise", 1000)),
		"half":                         truncated[:len(truncated)/2],
		"a wrong checksum":             flipped,
		"data behind the end":          append(bytes.Clone(good), "more"...),
		"a name that is none":          packOf(t, member{name: "../../etc/passwd", body: "x"}),
		"an absolute name":             packOf(t, member{name: "/etc/passwd", body: "x"}),
		"a name in capitals":           packOf(t, member{name: strings.ToUpper(sum.name), body: "x"}),
		"content of another name":      packOf(t, member{name: sum.name, body: "y"}),
		"a link":                       packOf(t, member{name: sum.name, kind: tar.TypeSymlink}),
		"a hard link":                  packOf(t, member{name: sum.name, kind: tar.TypeLink}),
		"a device":                     packOf(t, member{name: sum.name, kind: tar.TypeChar}),
		"less than its header says":    packOf(t, member{name: sum.name, body: "x", size: 100}),
		"superseding it in the middle": packOf(t, input("1"), member{name: "supersedes.json", body: `{"version":1,"packs":[]}`}),
	} {
		t.Run(what, func(t *testing.T) {
			b, _ := store(t)
			r := newRun(t, b, quiet)
			r.find(t, "good")
			r.push(t)
			if _, err := b.PutBlob(t.Context(), prefix+"/20990101T000000.000Z-X-1.tar.zst", bytes.NewReader(body), int64(len(body)), target.PutBlob{}); err != nil {
				t.Fatal(err)
			}
			p := newRun(t, b, quiet)
			report := p.pull(t)
			if len(report.Skipped) != 1 || report.Packs != 1 || !contents(t, p.dir)["good"] {
				t.Errorf("Pull = %+v", report)
			}
			if report := p.pull(t); len(report.Skipped) != 0 {
				t.Errorf("it is complained about again: %+v", report)
			}
		})
	}
}

func TestAVersionThatIsDamagedSupersedesNothing(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "good")
	r.push(t)
	base := filepath.Base(packs(t, b)[0])
	list := member{name: "supersedes.json", body: fmt.Sprintf(`{"version":1,"packs":[%q]}`, base)}
	for i, body := range [][]byte{
		packOf(t, list, input("version"), member{name: input("x").name, body: "y"}),
		packOf(t, member{name: "supersedes.json", body: `{"version":2,"packs":["x"]}`}),
		packOf(t, member{name: "supersedes.json", body: `[`}),
	} {
		key := fmt.Sprintf("%s/20990101T000000.000Z-X-%d.merged.tar.zst", prefix, i)
		if _, err := b.PutBlob(t.Context(), key, bytes.NewReader(body), int64(len(body)), target.PutBlob{}); err != nil {
			t.Fatal(err)
		}
	}
	want(t, stored(t, b), "good", "version")
	old := corpus.Open(b, name, corpus.Options{Log: quiet.Log, Now: func() time.Time { return time.Now().Add(1000 * time.Hour) }})
	if pruned, err := old.Prune(t.Context(), corpus.Retention{}); err != nil || pruned.Blobs != 0 {
		t.Errorf("Prune = %+v, %v", pruned, err)
	}
}

func TestAPackBombCostsAWarning(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks gigabytes of zeros")
	}
	var bomb bytes.Buffer
	z, err := zstd.NewWriter(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: input("x").name, Size: 6 << 30, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 6 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	b, _ := store(t)
	if _, err := b.PutBlob(t.Context(), prefix+"/20990101T000000.000Z-X-1.tar.zst", &bomb, int64(bomb.Len()), target.PutBlob{}); err != nil {
		t.Fatal(err)
	}
	if report := newRun(t, b, quiet).pull(t); len(report.Skipped) != 1 {
		t.Errorf("Pull = %+v", report)
	}
}

// vanishing is a store from which the first pack that is opened is gone: somebody
// has merged and pruned since it was listed.
type vanishing struct {
	target.Blobs
	once func(key string)
}

func (v *vanishing) OpenBlob(ctx context.Context, key string) (r io.ReadCloser, info target.BlobInfo, err error) {
	if v.once != nil {
		once := v.once
		v.once = nil
		once(key)
	}
	return v.Blobs.OpenBlob(ctx, key)
}

func TestAPackThatVanishesWhileTheyAreListedMeansListingAgain(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "a", "b")
	r.push(t)
	v := &vanishing{Blobs: b, once: func(key string) {
		r.merge(t)
		if err := b.RemoveBlob(context.Background(), key); err != nil {
			t.Error(err)
		}
	}}
	p := newRun(t, v, quiet)
	if report := p.pull(t); report.Packs != 1 || len(report.Skipped) != 0 {
		t.Errorf("Pull = %+v", report)
	}
	want(t, contents(t, p.dir), "a", "b")
}

func TestPruneKeepsWhatIsNeededAndFiveVersions(t *testing.T) {
	b, where := store(t)
	now := time.Now()
	o := corpus.Options{Log: quiet.Log, Now: func() time.Time { return now }}
	r := newRun(t, b, o)
	for n := range 8 {
		r.find(t, fmt.Sprint("input", n))
		r.push(t)
		r.merge(t)
	}
	other := newRun(t, b, o)
	other.find(t, "other")
	other.push(t)
	all := stored(t, b)
	if pruned, err := r.Prune(t.Context(), corpus.Retention{}); err != nil || pruned.Blobs != 0 {
		t.Errorf("within the grace Prune = %+v, %v", pruned, err)
	}
	now = now.Add(25 * time.Hour)
	pruned, err := r.Prune(t.Context(), corpus.Retention{})
	if err != nil || pruned.Blobs != 8+3 || pruned.Bytes == 0 {
		t.Errorf("Prune = %+v, %v", pruned, err)
	}
	if versions, err := r.Versions(t.Context()); err != nil || len(versions) != 5 {
		t.Errorf("Versions = %+v, %v", versions, err)
	}
	if left := packs(t, b); len(left) != 6 {
		t.Errorf("left are %q in %s", left, where)
	}
	if pruned, err := r.Prune(t.Context(), corpus.Retention{Age: time.Hour}); err != nil || pruned.Blobs != 4 {
		t.Errorf("by age Prune = %+v, %v", pruned, err)
	}
	if after := stored(t, b); len(after) != len(all) || len(after) != 9 {
		t.Errorf("%d inputs are left of %d", len(after), len(all))
	}
}

func TestListTellsWhatThereIs(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "a", "b")
	r.push(t)
	r.merge(t)
	r.find(t, "c")
	r.push(t)
	long := corpus.Open(b, corpus.Name{Lineage: strings.Repeat("long", 100), Engine: "go", Harness: "FuzzX"}, quiet)
	if _, err := long.Push(t.Context(), r.root); err != nil {
		t.Fatal(err)
	}
	infos, err := corpus.List(t.Context(), b, "", quiet)
	if err != nil || len(infos) != 2 {
		t.Fatalf("List = %+v, %v", infos, err)
	}
	i := infos[1]
	if i.Name != name || i.Path != prefix || i.Inputs != 3 || i.Packs != 2 || i.Versions != 1 || i.Bytes == 0 || time.Since(i.LastPush).Abs() > time.Hour {
		t.Errorf("List has %+v", i)
	}
	if infos[0].Inputs != 3 || !strings.HasPrefix(infos[0].Lineage, "longlong") {
		t.Errorf("List has %+v", infos[0])
	}
	if infos, err := corpus.List(t.Context(), b, name.Lineage, quiet); err != nil || len(infos) != 1 {
		t.Errorf("List of one lineage = %+v, %v", infos, err)
	}
}

func TestAFullStoreAndALostOneAreErrors(t *testing.T) {
	b, _ := store(t)
	r := newRun(t, b, quiet)
	r.find(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Push(ctx, r.root); err == nil || cordon.KindOf(err) != "" {
		t.Errorf("Push = %v", err)
	}
	if report := r.push(t); report.Files != 1 {
		t.Errorf("what failed is not pushed again: %+v", report)
	}
}
