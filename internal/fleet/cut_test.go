//go:build !race

package fleet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/fuzzsample"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// at returns the file of that name in the run's workspace on h, "" while there is none.
func (h *host) at(w work, name string) string {
	h.t.Helper()
	found, err := filepath.Glob(filepath.Join(h.disk, "*", w.GetRunID()+"*", "workspace"))
	if err != nil {
		h.t.Fatal(err)
	}
	if len(found) == 0 {
		return ""
	}
	return filepath.Join(found[0], name)
}

// ticks is how far the run's tool has come on h.
func (h *host) ticks(w work) int {
	info, err := os.Stat(h.at(w, "ticks"))
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// A host that is cut off goes on working, and does not know that its runs begin anew on
// another one. What that one makes of them stands, whatever the first one does when it can
// reach the store again; what it found alone is not lost; and when it is back it has nothing
// of the runs.
func TestAHostIsCutOffAndComesBack(t *testing.T) {
	t.Parallel()
	sample := fuzzsample.Of("libfuzzer")
	project := t.TempDir()
	env := sample.Plant(t, project)
	s := miniotest.Start(t)
	bucket := s.MakeBucket(t)
	makeResults(t, s)
	f := newFleet(t, 2, append(env,
		"S3_ENDPOINT="+s.Endpoint, "S3_ACCESS_KEY="+s.AccessKey, "S3_SECRET_KEY="+s.SecretKey, "S3_BUCKET="+bucket, "S3_FUZZING_BUCKET="+bucket+"-fuzzing")...)
	var err error
	if f.store, err = s3.Open(s3.Config{Endpoint: s.Endpoint, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: bucket, BlobsBucket: bucket + "-fuzzing"}); err != nil {
		t.Fatal(err)
	}
	f.putObject("project", archiveOf(t, project))
	f.put("object", 1000)
	toTemporal, toStore := newLine(t), newLine(t)
	cut, other := f.hosts[0], f.hosts[1]
	scheme, address, _ := strings.Cut(s.Endpoint, "://")
	cut.env = append(cut.env, "TEMPORAL_ADDRESS="+toTemporal.to(t, server().GetFrontendHostPort()), "S3_ENDPOINT="+scheme+"://"+toStore.to(t, address))
	cut.on()
	found, stop := f.collect()
	defer stop()

	ends := work{f.start(waiting, "object"), "ends meanwhile", ""}
	goesOn := work{f.start(waiting, "object"), "goes on", ""}
	fuzzes := work{f.start("LibfuzzerFuzzingWorkflow", "project", sample.Harness, 0, 12), "libfuzzer", ""}
	waits := []work{ends, goesOn}
	for _, w := range waits {
		until(t, "its tool works", func() bool { return cut.ticks(w) > 0 })
	}
	until(t, "the fuzzer is at work, and has its corpus", func() bool {
		return strings.Contains(cut.said(), "fuzzer built") && len(fuzzsample.Processes(t, fuzzes.GetRunID())) > 0
	})
	toTemporal.cut()
	toStore.cut()
	began := time.Now()
	until(t, "the host finds a crash that it cannot store", func() bool { return found.waiting(cut) > 0 })
	other.on()
	const by = `"the other host"`
	for _, w := range waits {
		until(t, "it begins anew on the other host", func() bool { return other.ticks(w) > 0 })
		before := cut.ticks(w)
		until(t, "the host that is cut off goes on", func() bool { return cut.ticks(w) > before })
		write(t, other.at(w, "go"), by)
	}
	anew := time.Since(began).Round(time.Second)
	kept := map[string]string{}
	for _, w := range waits {
		var r activities.Result
		if err := w.Get(t.Context(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Tool == nil || len(r.Tool.Kept) != 1 || string(r.Tool.Data) != by {
			t.Fatalf("the run that %s left %+v", w.what, r.Tool)
		}
		kept[w.what] = r.Tool.Kept[0].Key
	}
	if wrong := fuzzes.check(t.Context()); wrong != "" {
		t.Error(wrong)
	}
	// Now the host that was cut off has a result of one of them too, and a store for it.
	toStore.mend()
	write(t, cut.at(ends, "go"), `"the host that was cut off"`)
	tool := filepath.Join(f.tools, "waiting")
	until(t, "what it has made waits", func() bool { return strings.Contains(cut.said(), "what was made waits to be stored") })
	toTemporal.mend()
	until(t, "no tool is left", func() bool { return len(fuzzsample.Processes(t, tool)) == 0 })
	f.mustBeEmpty()
	t.Logf("begun anew %v after the cut, and all is over after %v", anew, time.Since(began).Round(time.Second))
	for what, key := range kept {
		if got := string(f.read(key)); got != by {
			t.Errorf("of the run that %s what %s made is stored", what, got)
		}
	}
	stop()
	f.mustHaveStored([]work{fuzzes}, found)
}
