package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/workspace"
)

// stocked is a cache with a workspace in each mode, of the target "mine".
type stocked struct {
	*call
	own, shared, cow string
}

func stock(t *testing.T) *stocked {
	s := &stocked{call: newCall(t)}
	s.env["CACHE_COW_DRIVER"] = "copy"
	writeFile(t, filepath.Join(s.home, "project", "main.py"), "print(1)\n")
	writeFile(t, filepath.Join(s.home, "project", "lib", "a.py"), strings.Repeat("x = 1\n", 100))
	s.do(t, "targets", "put", filepath.Join(s.home, "project"), "--id", "mine")
	get := func(run, mode string) string {
		return strings.TrimSpace(s.do(t, "get", "mine", "--run", run, "--isolation", mode).out)
	}
	s.own, s.shared, s.cow = get("r1", "isolated"), get("r2", "shared"), get("r3", "copy-on-write")
	return s
}

func (s *stocked) do(t *testing.T, args ...string) answer {
	t.Helper()
	return s.mustRun(t, append(args, "--data", s.data())...)
}

func (s *stocked) try(t *testing.T, args ...string) answer {
	t.Helper()
	return s.run(t, append(args, "--data", s.data())...)
}

// entry returns the first column of the line of ls that has all words.
func (s *stocked) entry(t *testing.T, words ...string) string {
	t.Helper()
lines:
	for line := range strings.Lines(s.do(t, "cache", "ls").out) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		return strings.Fields(line)[0]
	}
	t.Fatalf("ls has no line with %q", words)
	return ""
}

func TestCacheListSaysWhoHoldsWhat(t *testing.T) {
	s := stock(t)
	out := s.do(t, "cache", "ls").out
	for _, want := range []string{`run-[0-9a-f]{8} +mine +isolated .* r1 `, `shared-[0-9a-f]{8} +mine +shared .* r2 `, `run-[0-9a-f]{8} +mine +copy-on-write +copy .* r3 `, `base-[0-9a-f]{8} +mine +– .* nobody `} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no line is %s in:\n%s", want, out)
		}
	}
	if strings.Contains(out, s.own) {
		t.Errorf("paths are for --wide:\n%s", out)
	}
	if wide := s.do(t, "cache", "ls", "-w").out; !strings.Contains(wide, s.own) || !regexp.MustCompile(`run-[0-9a-f]{32} `).MatchString(wide) {
		t.Errorf("--wide prints:\n%s", wide)
	}
	var list []workspace.Entry
	decode(t, s.do(t, "cache", "ls", "--json").out, &list)
	if len(list) != 4 {
		t.Errorf("%d entries", len(list))
	}
}

func TestCacheUsageNamesEverything(t *testing.T) {
	s := stock(t)
	s.do(t, "cache", "pin", s.own)
	out := s.do(t, "cache", "du").out
	for _, want := range []string{"recorded", "held", "pinned", "reclaimable", "reserved", "trash", "on disk", "unexplained", "CACHE_MAX_SIZE", "CACHE_MIN_FREE", "inodes free"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	var u workspace.Usage
	decode(t, s.do(t, "cache", "du", "--json").out, &u)
	if u.Pinned <= 0 || u.Held <= u.Pinned || u.DiskFree <= 0 {
		t.Errorf("du says %+v", u)
	}
}

func TestCacheIsCollectedByPlan(t *testing.T) {
	s := stock(t)
	if none := s.do(t, "cache", "gc", "--json").out; strings.Contains(none, "null") || !strings.Contains(none, `"deferred": []`) {
		t.Errorf("nothing to do prints:\n%s", none)
	}
	s.do(t, "cleanup", s.shared, "--run", "r2")
	dry := s.do(t, "cache", "gc", "--keep", "0", "--dry-run")
	if !strings.Contains(dry.out, "would go") || !strings.Contains(dry.out, "asked to shrink") {
		t.Errorf("the dry run prints:\n%s", dry.out)
	}
	found := regexp.MustCompile(`'cordon cache gc --plan ([0-9a-f]{12})'`).FindStringSubmatch(dry.err)
	if found == nil {
		t.Fatalf("the dry run names no plan:\n%s", dry.err)
	}
	s.do(t, "cache", "pin", s.entry(t, "base-"), "--reason", "for a talk")
	var rep workspace.SweepReport
	decode(t, s.do(t, "cache", "gc", "--plan", found[1], "--json").out, &rep)
	if rep.Plan != found[1] || len(rep.Removals) == 0 || len(rep.Deferred) == 0 {
		t.Errorf("the plan did %+v", rep)
	}
	if _, err := os.Stat(s.shared); err == nil {
		t.Error("what was planned stays")
	}
	if again := s.do(t, "cache", "gc", "--plan", found[1]); !strings.Contains(again.out, "stays") || !regexp.MustCompile(`(?m)^gone .*gone since the plan was made`).MatchString(again.out) || regexp.MustCompile(`(?m)^stays .*gone since`).MatchString(again.out) || !strings.Contains(again.out, "for a talk, since the plan was made") || strings.Contains(again.out, "removed") {
		t.Errorf("the plan once more:\n%s", again.out)
	}
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"--plan", "0123456789ab"}, ExitNotFound},
		{[]string{"--plan", found[1], "--dry-run"}, ExitUsage},
		{[]string{"--plan", found[1], "--keep", "0"}, ExitUsage},
		{[]string{"--plan", "zz"}, ExitUsage},
		{[]string{"--plan", "0123"}, ExitUsage},
		{[]string{"--plan", ""}, ExitUsage},
		{[]string{"--plan="}, ExitUsage},
		{[]string{"--keep", " "}, ExitUsage},
		{[]string{"--keep", "", "--dry-run"}, ExitUsage},
	} {
		if got := s.try(t, append([]string{"cache", "gc"}, tt.args...)...); got.code != tt.code || !strings.HasPrefix(got.err, "cordon: ") {
			t.Errorf("gc %v: exit code %d: %s", tt.args, got.code, got.err)
		}
	}
}

func TestCachePinsAndExplains(t *testing.T) {
	s := stock(t)
	key := s.entry(t, "run-", "r1")
	if x := s.do(t, "cache", "explain", key).out; !strings.HasPrefix(x, "● kept because run r1 holds it") || !strings.Contains(x, "no Temporal knows its run") || !strings.Contains(x, s.own) {
		t.Errorf("explain prints:\n%s", x)
	}
	s.do(t, "cache", "pin", key, "--reason", "crash 17")
	if done := s.do(t, "cleanup", s.own); !strings.HasPrefix(done.err, "kept: ") || !strings.Contains(done.err, "crash 17") {
		t.Errorf("cleanup says %s", done.err)
	}
	s.do(t, "cache", "gc", "--keep", "0")
	if _, err := os.Stat(s.own); err != nil {
		t.Error(err)
	}
	if line := s.do(t, "cache", "ls").out; !strings.Contains(line, "pinned") {
		t.Errorf("ls shows no pin:\n%s", line)
	}
	var x workspace.Explanation
	decode(t, s.do(t, "cache", "explain", s.own, "--json").out, &x)
	if !x.Stays || x.Entry.Pin == nil || len(x.Holders) != 0 || x.Eviction.Why != "it is pinned" {
		t.Errorf("explain says %+v", x)
	}
	s.do(t, "cache", "unpin", key)
	if x := s.do(t, "cache", "explain", key).out; !strings.HasPrefix(x, "○ would go at the next sweep because no run holds it any more") {
		t.Errorf("explain prints:\n%s", x)
	}
	s.do(t, "cache", "gc")
	if _, err := os.Stat(s.own); err == nil {
		t.Error("it stays without a pin")
	}
	for _, command := range []string{"pin", "unpin", "explain", "verify"} {
		if got := s.try(t, "cache", command, key); got.code != ExitNotFound {
			t.Errorf("%s of what is gone: exit code %d: %s", command, got.code, got.err)
		}
		if got := s.try(t, "cache", command, "mine"); command != "verify" && (got.code != ExitUsage || !strings.Contains(got.err, "each of 2")) {
			t.Errorf("%s of several: exit code %d: %s", command, got.code, got.err)
		}
	}
}

func TestAPinOutlivesItsEntry(t *testing.T) {
	s := stock(t)
	key := s.entry(t, "run-", "r1")
	s.do(t, "cache", "pin", key)
	if err := os.RemoveAll(filepath.Dir(s.own)); err != nil {
		t.Fatal(err)
	}
	if got := s.do(t, "cache", "ls"); !strings.Contains(got.err, "cordon cache unpin "+key) {
		t.Errorf("ls says %s", got.err)
	}
	if got := s.do(t, "cache", "du"); !strings.Contains(got.out, "1 pin on what is gone") {
		t.Errorf("du prints:\n%s", got.out)
	}
	s.do(t, "cache", "unpin", key)
	if got := s.do(t, "cache", "ls"); strings.Contains(got.err, "unpin") {
		t.Errorf("after unpin ls says %s", got.err)
	}
	if got := s.try(t, "cache", "unpin", key); got.code != ExitNotFound {
		t.Errorf("unpin once more: exit code %d", got.code)
	}
}

func TestWhatNobodyHoldsExpiresAtTheNextSweep(t *testing.T) {
	now := time.Now()
	for want, e := range map[string]workspace.Entry{
		"next sweep": {Kind: workspace.KindRun},
		"–":          {Kind: workspace.KindRun, Pin: &workspace.Pin{}},
		"in 3 h":     {Kind: workspace.KindShared, Expires: now.Add(3 * time.Hour)},
	} {
		if got := expiry(e, now); got != want {
			t.Errorf("%+v: %q, want %q", e, got, want)
		}
	}
}

func TestCacheIsVerified(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, whom modes do not keep from changing what is read-only")
	}
	s := stock(t)
	if got := s.do(t, "cache", "verify"); strings.Count(got.out, "sound") != 2 || strings.Count(got.out, "unverified") != 2 {
		t.Errorf("verify prints:\n%s", got.out)
	}
	base := filepath.Join(s.data(), "cache/mine/shared/workspace/lib/a.py")
	f, err := os.OpenFile(base, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("y"), 60); err != nil {
		t.Fatal(err)
	}
	f.Close()
	key := s.entry(t, "base-")
	got := s.try(t, "cache", "verify", key, "--offline")
	if got.code != ExitFailure || !strings.Contains(got.out, "lib/a.py: its content differs from byte 60 on") || !strings.Contains(got.out, "moved to quarantine") || !strings.Contains(got.err, "1 entry is damaged") {
		t.Errorf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
	for _, known := range [][]string{nil, {"mine"}} {
		if got := s.do(t, append([]string{"cache", "verify"}, known...)...); !strings.Contains(got.out, "damaged    quarantine-") || !strings.Contains(got.out, "gc --keep 0") {
			t.Errorf("verify %q beside a quarantine prints:\n%s", known, got.out)
		}
	}
	if got := s.try(t, "cache", "verify", s.entry(t, "quarantine-")); got.code != ExitFailure {
		t.Errorf("verify of the quarantine: exit code %d", got.code)
	}
	var all []workspace.Verified
	decode(t, s.try(t, "cache", "verify", s.entry(t, "quarantine-"), "--json").out, &all)
	if len(all) != 1 || all[0].Result != workspace.Damaged || all[0].Against != "object store" || all[0].DifferenceCount != 1 {
		t.Errorf("verify of the quarantine: %+v", all)
	}
}

func TestNotesSayWhatIsUnusual(t *testing.T) {
	a := &app{screen: newScreen(nil, nil, os.Getenv)}
	for _, tt := range []struct {
		e    workspace.Entry
		want string
	}{
		{workspace.Entry{Limit: 5_000_000}, ""},
		{workspace.Entry{Limit: 5_000_000, OverLimit: true}, "over its limit (5.00 MB)"},
		{workspace.Entry{Holders: []workspace.Holder{{}, {Kept: "failed"}}}, "kept: failed"},
		{workspace.Entry{Pin: &workspace.Pin{}, Tampered: "x"}, "pinned, tampered with"},
	} {
		if got := a.notes(tt.e); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.e, got, tt.want)
		}
	}
}
