package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

// The command itself, in a namespace of its own, and its children: this test binary is it.
func TestMain(m *testing.M) {
	if os.Getenv("CORDON_BENCH_TEST") != "" || slices.Contains(os.Args, childFlag) {
		main()
	}
	os.Exit(m.Run())
}

// cold runs the command with tmp for its temporary files and keep for the user's
// cache folder, without a MinIO server, and returns what it printed and its exit
// code.
func cold(t *testing.T, tmp, keep string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	c.Env = append(os.Environ(), "CORDON_BENCH_TEST=1", "TMPDIR="+tmp, "XDG_CACHE_HOME="+keep,
		"CORDON_TEST_MINIO="+filepath.Join(keep, "no-such-program"))
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestWrongFlagsAreRefusedWithWhatIsAccepted(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--place=btrfs", `"btrfs" is none of tmpfs, ext4`},
		{"--store=ftp", `"ftp" is none of directory, minio`},
		{"--input=kernel.*,moon", `"moon" is none of kernel.tar, kernel.tar.gz`},
		{"--input=[", "syntax error in pattern"},
		{"--only=[", "syntax error in pattern"},
		{"quick", `"quick" is not a flag`},
		{"--samples=-1", "--samples must be 1 or more"},
	} {
		_, stderr, code := cold(t, t.TempDir(), t.TempDir(), c.args)
		if code != lab.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, said %q; want %d and %q", c.args, code, stderr, lab.ExitUsage, c.want)
		}
	}
}

func TestInputsAreChosenByNamePatternOrTree(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--input=kernel.tar.gz", "kernel.tar.gz"},
		{"--input=*.zst,kernel.tar.zst", "kernel.tar.zst big.tar.zst tiny.tar.zst"},
		{"--input=big", "big.img big.tar.zst"},
		{"--quick", "kernel.tar.gz kernel.tar.zst"},
	} {
		opts, err := parse([]string{c.args}, os.Stderr)
		if err != nil {
			t.Fatalf("%s: %v", c.args, err)
		}
		var names []string
		for _, in := range opts.inputs {
			names = append(names, in.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: %s; want %s", c.args, got, c.want)
		}
	}
}

func TestAQuickRunTakesOneSampleOnTheDisk(t *testing.T) {
	opts, err := parse([]string{"--quick"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	gz, zst := opts.inputs[0], opts.inputs[1]
	if a, b, c := opts.rounds(gz, memory), opts.rounds(gz, disk), opts.rounds(zst, disk); a != 2 || b != 0 || c != 1 {
		t.Errorf("%d rounds on tmpfs, %d and %d on ext4; want 2, 0 and 1", a, b, c)
	}
}

func TestTheTableHasWhoWasAskedForAndNothingStaysButTheInput(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting file systems needs root")
	}
	for _, p := range []string{"mkfs.ext4", "zstd", "tar"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip(err)
		}
	}
	tmp, keep := t.TempDir(), t.TempDir()
	args := []string{"--quick", "--samples=1", "--input=tiny.tar.zst", "--only=tar *,* alone"}
	stdout, stderr, code := cold(t, tmp, keep, args...)
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{
		"tiny.tar.zst on tmpfs, from the directory store: 20000 files, 2.00 MB", "tiny.tar.zst on ext4", "\ncordon ", "\ntar --zstd -xf ",
		"\ndecode alone ", "\nwrite alone ", "nothing is measured from MinIO", "memory above idle",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output does not have %q:\n%s", want, stdout)
		}
	}
	for _, not := range []string{"\nbsdtar", ", from MinIO"} {
		if strings.Contains(stdout, not) {
			t.Errorf("the output has %q, which was not asked for or is not to be had:\n%s", not, stdout)
		}
	}
	loops, err := exec.CommandContext(t.Context(), "losetup", "--list", "--noheadings", "--output", "BACK-FILE").Output()
	if err != nil || strings.Contains(string(loops), tmp) {
		t.Errorf("losetup: %v; or an image is still attached:\n%s", err, loops)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("%v; left in the temporary directory: %v", err, left)
	}
	left, err := filepath.Glob(filepath.Join(keep, "cordon-bench", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("%v; kept: %q; want the input and what is known of it", err, left)
	}
}

func TestPlacesWithoutRoomAreRefusedWithNumbers(t *testing.T) {
	for fs, want := range map[string]string{"ext4": "are needed: set TMPDIR to a directory with more", "tmpfs": "is in memory: set TMPDIR to a directory on a disk with "} {
		t.Run(fs, func(t *testing.T) {
			_, stderr, code := cold(t, loopfs.New(t, fs, 64*cordon.MB), t.TempDir(), "--quick", "--input=tiny")
			if code != lab.ExitUsage || !strings.Contains(stderr, want) || !strings.Contains(stderr, " GB ") {
				t.Errorf("exit code %d, said %q; want %d and %q", code, stderr, lab.ExitUsage, want)
			}
		})
	}
}

// keptFew returns an input of 200 tiny files, packed.
func keptFew(t *testing.T) *input {
	t.Helper()
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	in := &input{name: "few.tar.zst", format: "tar.zst", tree: tinyTree(2)}
	if err := in.keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestAKeptInputThatIsNotWholeIsMadeAnew(t *testing.T) {
	in := keptFew(t)
	if in.Files != 200 || in.TreeBytes != 20_000 || in.Inodes != 202 || in.Window == 0 {
		t.Errorf("it is said to hold %+v", in.contents)
	}
	whole, err := os.ReadFile(in.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"cut":     func() error { return os.Truncate(in.path, int64(len(whole)/2)) },
		"changed": func() error { return os.WriteFile(in.path, append([]byte("x"), whole[1:]...), 0o644) },
		"of another recipe": func() error {
			return os.WriteFile(in.path+".json", []byte(`{"recipe": "by hand", "bytes": 1, "sha256": ""}`), 0o644)
		},
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if err := in.keep(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(in.path); err != nil || !bytes.Equal(now, whole) {
			t.Errorf("%s: it was left so (%v)", name, err)
		}
	}
}

func TestAChildGetsTheTreeAndSaysWhatItTook(t *testing.T) {
	in := keptFew(t)
	store, err := dir.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.putInto(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	s := &stand{in: in}
	for _, do := range []string{doGet, doExtract, doInspect} {
		tree := t.TempDir()
		j := job{Do: do, Sync: do == doExtract}
		if do == doGet {
			j.Dir, j.Target, j.Cache = store.Root(), in.name, tree
		} else {
			j.Object, j.Tree = in.path, tree
		}
		a, err := delegate(t.Context(), j)
		if err != nil {
			t.Errorf("%s: %v", do, err)
			continue
		}
		if a.Done <= 0 || a.CPU <= 0 || a.Idle <= 0 || a.Peak < a.Idle || j.Sync != (a.Durable > a.Done) {
			t.Errorf("%s: %+v", do, a)
		}
		if err := s.complete(a.Path, true); (err == nil) != (do != doInspect) {
			t.Errorf("%s: %v", do, err)
		}
	}
}

func TestAChildThatFailsSaysWhy(t *testing.T) {
	store, err := dir.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("hostile")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), id, strings.NewReader("not it"), target.PutOptions{Size: 6}); err != nil {
		t.Fatal(err)
	}
	for want, j := range map[string]job{
		"no such job":  {Do: "dance"},
		"no such file": {Do: doInspect, Object: filepath.Join(t.TempDir(), "none")},
		"moon":         {Do: doGet, Dir: store.Root(), Target: "moon", Cache: t.TempDir()},
	} {
		if _, err := delegate(t.Context(), j); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", j, err, want)
		}
	}
}

func TestACommandIsMeasuredWithAllThatItStarts(t *testing.T) {
	// Two shells, each with a variable of 40 MB, at the same time.
	const line = `x=$(head -c 40000000 /dev/zero | tr '\0' x); sleep 0.3; echo "${#x}" >&2`
	a, err := timed(t.Context(), t.TempDir(), nil, []string{"sh", "-c", `sh -c "$1" & sh -c "$1"; wait`, "sh", line}, false)
	if err != nil {
		t.Fatal(err)
	}
	if a.Peak < 80*cordon.MB || a.Done < 0.3 || a.CPU <= 0 || a.Durable != 0 {
		t.Errorf("%+v; want 80 MB or more", a)
	}
	if _, err := timed(t.Context(), t.TempDir(), nil, []string{"sh", "-c", "echo broken >&2; exit 3"}, false); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a command that fails: %v", err)
	}
}

func TestTreesThatAreNotCompleteAreFoundOut(t *testing.T) {
	made := t.TempDir()
	for _, n := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(made, n), []byte("12345"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		files, bytes int64
		exact, ok    bool
	}{
		{2, 10, true, true}, {3, 10, false, false}, {2, 11, true, false}, {1, 10, true, false}, {1, 5, false, true},
	} {
		s := &stand{in: &input{kept: kept{contents: contents{Files: c.files, TreeBytes: c.bytes}}}}
		if err := s.complete(made, c.exact); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func of(samples ...float64) (s lab.Spread) {
	for _, v := range samples {
		s.Add(v)
	}
	return s
}

func verdictsOf(s *section) map[string]verdict {
	got := map[string]verdict{}
	for _, v := range s.verdicts() {
		got[v.Goal+" from "+v.Store] = v
	}
	return got
}

func TestVerdictsOnTmpfs(t *testing.T) {
	const mb = 1e6
	s := &section{Tree: "kernel", Format: "tar.gz", Place: memory, Inodes: 100_000, Window: 2 * mb, Rows: []*row{
		{Name: ours, Store: dirStore, Done: of(5.9, 1, 9), Peak: of(20*mb, 180*mb), Idle: of(10*mb, 20*mb)},
		{Name: "tar -xzf", Store: dirStore, Done: of(10)},
		{Name: ours, Store: minioStore, Done: of(6), Peak: of(180.1 * mb), Idle: of(20 * mb)},
		{Name: transferAlone, Store: minioStore, Done: of(1)},
		{Name: decodeAlone, Done: of(2)},
		{Name: writeAlone, Done: of(5)},
	}}
	got := verdictsOf(s)
	for name, want := range map[string]struct {
		value   float64
		reached bool
	}{
		"÷ tar -xzf from directory":                 {0.59, true},
		"÷ max(transfer, decode, write) from minio": {1.2, false},
		"memory above idle from directory":          {160 * mb, true}, // the most, and the limit to the byte
		"memory above idle from minio":              {160.1 * mb, false},
	} {
		if v, there := got[name]; !there || v.Reached != want.reached || v.Value < want.value*0.999 || v.Value > want.value*1.001 {
			t.Errorf("%s: there %t, %+v; want %+v", name, there, v, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d verdicts: %v", len(got), got)
	}
	s.Format = "tar.zst"
	s.Rows[1].Name = "tar --zstd -xf"
	if v := verdictsOf(s)["÷ tar --zstd -xf from directory"]; v.Limit != 0.80 || !v.Reached {
		t.Errorf("tar.zst: %+v", v)
	}
	s.Tree = "tiny"
	if got := verdictsOf(s); len(got) != 2 {
		t.Errorf("of tiny files more is judged than memory: %v", got)
	}
}

func TestVerdictsOnDiskAreOfWhatIsDurable(t *testing.T) {
	s := &section{Tree: "kernel", Format: "tar.zst", Place: disk, Rows: []*row{
		{Name: ours, Store: dirStore, Done: of(1), Durable: of(9)},
		{Name: "tar --zstd -xf", Store: dirStore, Done: of(1), Durable: of(10)},
		{Name: decodeAlone, Done: of(8.5)},
		{Name: writeAlone, Done: of(1), Durable: of(7)},
		{Name: ours, Store: minioStore, Failed: "no"},
		{Name: transferAlone, Store: minioStore, Done: of(1)},
	}}
	got := verdictsOf(s)
	for name, value := range map[string]float64{
		"durable ÷ (tar --zstd -xf, sync) from directory":      0.9,
		"durable ÷ max(decode, write and sync) from directory": 9 / 8.5,
	} {
		if v := got[name]; v.Value != value || !v.Reached {
			t.Errorf("%s: %+v; want %v", name, v, value)
		}
	}
	if v := got["durable ÷ max(transfer, decode, write and sync) from minio"]; v.Reached || v.Why != "no" {
		t.Errorf("what failed is judged as %+v", v)
	}
	s.Rows[3] = &row{Name: writeAlone, Failed: "full"}
	if v := verdictsOf(s)["durable ÷ max(decode, write and sync) from directory"]; v.Reached || v.Why != "full" {
		t.Errorf("a limit that is not known is judged as %+v", v)
	}
}

func TestTheTableOfADiskHasBothTimesAndRatiosOfEach(t *testing.T) {
	r := &report{Notes: []string{"a note"}, Sections: []*section{{Input: "kernel.tar.gz", Tree: "kernel", Format: "tar.gz", Place: disk, Rows: []*row{
		{Name: ours, Store: dirStore, Done: of(2, 4, 3), Durable: of(4, 5, 6), CPU: of(2), Peak: of(50e6, 70e6), Idle: of(10e6, 10e6)},
		{Name: "tar -xzf", Store: dirStore, Done: of(6), Durable: of(20), CPU: of(7), Peak: of(4e6)},
		{Name: "bsdtar -xf", Store: dirStore, Unavailable: "not found"},
		{Name: boto, Store: minioStore, Failed: "no server"},
		{Name: decodeAlone, Done: of(1.5), CPU: of(1.5), Peak: of(0)},
	}}}}
	r.finish()
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"a note", "kernel.tar.gz on ext4, from the directory store",
		"cordon 3.00 s 2.00 s – 4.00 s 1 × 5.00 s 4.00 s – 6.00 s 1 × 3 2.00 s 60.0 MB (50.0 MB above idle)",
		"tar -xzf 6.00 s 6.00 s – 6.00 s 0.5 × 20.0 s 20.0 s – 20.0 s 0.25 × 1 7.00 s 4.00 MB",
		"decode alone 1.50 s 1.50 s – 1.50 s 2 × – – – 1 1.50 s –",
		"bsdtar -xf: not found",
		"durable ÷ (tar -xzf, sync) kernel.tar.gz ext4 directory 0.25 × ≤ 0.9 × reached",
		"memory above idle kernel.tar.gz ext4 directory 60.0 MB ≤ 128 MB reached",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the output does not have %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(got, ", from MinIO") {
		t.Errorf("there is a table of MinIO, from which nothing was measured:\n%s", out.String())
	}
	b, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"samples":[2,4,3]`) {
		t.Errorf("%v; the JSON has not every sample in its order: %s", err, b)
	}
}

func TestEachRoundBeginsWithAnother(t *testing.T) {
	all := []*contestant{{name: "a"}, {name: "b"}, {name: "c"}}
	for i, want := range []string{"abc", "bca", "cab", "abc"} {
		got := ""
		for _, c := range turn(all, i) {
			got += c.name
		}
		if got != want {
			t.Errorf("round %d goes %s, want %s", i, got, want)
		}
	}
	if turn(nil, 1) != nil {
		t.Error("nobody takes turns with nobody")
	}
}
