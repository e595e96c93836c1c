package faults_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cordonlabs/cordon/internal/mounts"
	"github.com/cordonlabs/cordon/workspace"
)

// entry is what a record says, as it is on disk.
type entry struct {
	Key, Kind, State, Place, Content, Staging string
	Target                                    string `json:"target_id"`
	Run                                       string `json:"run_id"`
	Driver, Tampered                          string
	Bytes                                     int64
	Object                                    int64 `json:"object_bytes"`
}

func (s *scene) records() map[string]entry {
	s.Helper()
	all := map[string]entry{}
	for _, key := range s.names(".cordon/records") {
		b, err := os.ReadFile(s.path(".cordon/records/" + key))
		must(s, err)
		var e entry
		must(s, json.Unmarshal(b, &e))
		all[e.Key] = e
	}
	return all
}

// names lists a directory, which may be missing.
func (s *scene) names(dir string) (names []string) {
	s.Helper()
	all, err := os.ReadDir(s.path(dir))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// unhurt says what has happened to a bystander, or "".
func (s *scene) unhurt() string {
	for _, b := range s.near {
		if diff := b.has.differs(b.path); diff != "" {
			return b.run + ": " + diff
		}
	}
	return ""
}

// leftovers says what is there and should not be, after one sweep.
func (s *scene) leftovers(c *workspace.Cache) (left []string) {
	s.Helper()
	say := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	for _, d := range []string{"staging", "reservations", "trash", "tombstones", "quarantine"} {
		for _, n := range s.names(".cordon/" + d) {
			if d != "quarantine" || !s.lenient {
				say("%s/%s", d, n)
			}
		}
	}
	records := s.records()
	staged := map[string]bool{}
	for _, r := range records {
		staged[r.Staging] = true
		if r.State != "complete" || r.Tampered != "" && !s.lenient {
			say("a record of %s at %s: %s, tampered: %q", r.Kind, r.Place, r.State, r.Tampered)
		}
	}
	for _, k := range s.names(".cordon/holds") {
		if _, ok := records[k]; !ok {
			say("holds/%s of no entry: %v", k, s.names(".cordon/holds/"+k))
		}
	}
	for _, k := range s.names(".cordon/bases") {
		if _, ok := records[k]; !ok {
			say("bases/%s without a record", k)
		}
	}
	for _, d := range []string{"settled", "manifests"} {
		for _, id := range s.names(".cordon/" + d) {
			if !staged[id] {
				say("%s/%s of no entry", d, id)
			}
		}
	}
	err := filepath.WalkDir(s.path(".cordon"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") {
			say("%s", p)
		}
		return err
	})
	must(s, err)
	left = append(left, s.unknown(records)...)
	left = append(left, s.strayMounts(c)...)
	return append(left, s.unaccounted(c, records)...)
}

// unknown lists what stands in the cache and has no record.
func (s *scene) unknown(records map[string]entry) (left []string) {
	known := map[string]bool{".cordon": true, "CACHEDIR.TAG": true}
	for _, r := range records {
		known[r.Target] = known[r.Target] || r.Kind != "quarantine"
		if r.Kind == "shared" {
			known[path.Join(r.Place, "workspace")] = r.Content == "workspace"
			known[path.Join(r.Place, "target")] = true
		} else {
			known[r.Place] = true
		}
	}
	for _, top := range s.names(".") {
		if !known[top] {
			left = append(left, top+" without a record")
			continue
		}
		if top == ".cordon" || top == "CACHEDIR.TAG" {
			continue
		}
		for _, n := range s.names(top) {
			if !known[path.Join(top, n)] {
				left = append(left, path.Join(top, n)+" without a record")
			}
		}
	}
	return left
}

// strayMounts lists mounts of nobody, and views that lost theirs.
func (s *scene) strayMounts(c *workspace.Cache) (left []string) {
	all, err := mounts.Below(s.Dir)
	must(s, err)
	mounted := map[string]bool{}
	for _, m := range all {
		mounted[m.Point] = true
	}
	entries, err := c.Entries()
	must(s, err)
	for _, e := range entries {
		held := len(e.Holders) > 0
		if mounted[e.Path] && !held {
			left = append(left, e.Path+" is mounted, and nobody holds it")
		}
		if !mounted[e.Path] && held && e.Kind == workspace.KindRun && e.Driver == "overlay" {
			left = append(left, e.Path+" is held, and not mounted")
		}
		delete(mounted, e.Path)
	}
	for p := range mounted {
		left = append(left, p+" is mounted, and no record tells of it")
	}
	for _, b := range s.near {
		if !slices.ContainsFunc(entries, func(e workspace.Entry) bool {
			return e.Path == b.path && slices.ContainsFunc(e.Holders, func(h workspace.Holder) bool { return h.Run == b.run })
		}) {
			left = append(left, b.run+" does not hold its workspace any more")
		}
	}
	return left
}

// slack is how far what an entry takes on disk may be from what its record says,
// in bytes: its own directories and a few blocks that depend on the file system.
// What a bystander wrote counts as its entry's.
const slack = 40 << 10

// unaccounted compares what the records say with what is allocated.
func (s *scene) unaccounted(c *workspace.Cache, records map[string]entry) (left []string) {
	u, err := c.Usage()
	must(s, err)
	if u.Reserved != 0 {
		left = append(left, fmt.Sprintf("%d bytes are reserved", u.Reserved))
	}
	var recorded, disk int64
	seen := map[uint64]bool{}
	for _, r := range records {
		recorded += r.Bytes + r.Object
		places := []string{r.Place}
		if r.Kind == "shared" {
			places = []string{path.Join(r.Place, "workspace"), path.Join(r.Place, "target")}
		}
		for _, p := range places {
			disk += s.allocated(s.path(p), seen)
		}
	}
	if u.Recorded != recorded {
		left = append(left, fmt.Sprintf("the accounts say %d bytes, the records %d", u.Recorded, recorded))
	}
	if off := disk - recorded; off > slack*int64(len(records)) && !s.clones || off < -slack*int64(len(records)) {
		left = append(left, fmt.Sprintf("%d bytes are on disk, %d are recorded, in %d entries", disk, recorded, len(records)))
	}
	return left
}

// allocated adds up what is on disk below name, of a file with several names once,
// and of a view what is its own.
func (s *scene) allocated(name string, seen map[uint64]bool) (sum int64) {
	top, err := os.Stat(s.Dir)
	must(s, err)
	own := top.Sys().(*syscall.Stat_t).Dev
	err = filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		if st.Dev != own { // a mounted view shows its base, which is counted where it stands
			return fs.SkipDir
		}
		if d.IsDir() || !seen[st.Ino] {
			seen[st.Ino] = true
			sum += st.Blocks * 512 // stat(2): units of 512 bytes
		}
		return nil
	})
	must(s, err)
	return sum
}

// onlyBusyMounts reports whether something was put off, and all of it for mounts in use.
func onlyBusyMounts(deferred []workspace.Removal) bool {
	for _, r := range deferred {
		if !strings.Contains(r.Reason, mounts.ErrBusy.Error()) {
			return false
		}
	}
	return len(deferred) > 0
}

// mustBeSwept fails unless one sweep leaves nothing behind.
func (s *scene) mustBeSwept(when string, c *workspace.Cache) {
	s.Helper()
	sweep := func() (workspace.SweepReport, error) {
		return c.Sweep(s.Context(), workspace.SweepOptions{Restore: true})
	}
	rep, err := sweep()
	// A process that is being started has every descriptor of this one, and keeps a mount
	// until it executes its program: that is the one thing that may wait for another sweep.
	for end := time.Now().Add(10 * time.Second); err == nil && onlyBusyMounts(rep.Deferred) && time.Now().Before(end); rep, err = sweep() {
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil || len(rep.Deferred) > 0 || rep.Busy {
		s.Errorf("%s: sweep: %v, deferred %+v, busy %t", when, err, rep.Deferred, rep.Busy)
	}
	var left []string
	// What is deleted behind the callers' backs is gone a little later.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if left = s.leftovers(c); len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	for _, l := range left {
		s.Errorf("%s, and swept: %s", when, l)
	}
}
