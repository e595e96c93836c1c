package crash

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/target"
)

// Added is what became of an input.
type Added struct {
	Signature string // of its bug
	SHA256    string
	NewBug    bool // nobody had this bug before
	NewInput  bool // nobody had this input before
	Dropped   bool // it was counted and not kept: its run has enough of this bug
}

// Add stores an input and what is known of it. Adding it again is no error, and adds
// to its record what is known now and was not then: how often it crashed again, the
// command. Of a bug that its run has maxPerRun inputs of already it keeps an input
// only in the place of a larger one; minimised ones are always kept. Of several
// who add one at once each is told the truth about its own part.
func (s *Store) Add(ctx context.Context, c Crash) (Added, error) {
	if len(c.Input) > int(maxInput) {
		return Added{}, &cordon.Error{Kind: cordon.TargetTooLarge, Op: "store crash input", Err: fmt.Errorf("it has %s, more than %s", cordon.FormatBytes(int64(len(c.Input))), cordon.FormatBytes(maxInput)), Fix: "limit the length of the fuzzer's inputs"}
	}
	if c.Target.IsZero() || c.Engine == "" || c.Harness.Name == "" {
		return Added{}, &cordon.Error{Kind: cordon.InvalidArgument, Op: "store crash input", Err: errors.New("it does not say of which target, engine and harness it is"), Fix: "fill in its Origin and its Harness"}
	}
	in := inputOf(c)
	a := Added{Signature: in.Signature, SHA256: in.SHA256}
	t, err := s.tallyOf(ctx, in)
	if err != nil {
		return a, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	place, ok := t.place(in)
	if !ok {
		a.Dropped = true
		return a, s.count(ctx, in, t)
	}

	at := keyOf(in.Lineage, in.Signature, inputsDir, in.SHA256)
	if _, err := s.blobs.PutBlob(ctx, at, bytes.NewReader(c.Input), in.Size, target.PutBlob{IfAbsent: true}); err != nil {
		return a, err
	}
	var owner string
	if a.NewInput, owner, err = s.record(ctx, at+recordExt, in); err != nil {
		return a, err
	}
	t.keep(in, owner)
	if err := s.count(ctx, in, t); err != nil {
		return a, err
	}
	if a.NewBug, err = s.putJSON(ctx, keyOf(in.Lineage, in.Signature, bugFile), bugOf(in), true); err != nil {
		return a, err
	}
	if place != "" {
		return a, s.remove(ctx, in, place, t)
	}
	return a, nil
}

// record puts an input's record, or brings the one that is there up to date. Owner is
// the run that the record names.
func (s *Store) record(ctx context.Context, key string, in Input) (created bool, owner string, err error) {
	if created, err = s.putJSON(ctx, key, in, true); created || err != nil {
		return created, in.Run, err
	}
	var was Input
	damaged, err := s.getJSON(ctx, key, &was)
	switch {
	case damaged:
		s.passOver(ctx, key, err)
		_, err = s.putJSON(ctx, key, in, false)
		return false, in.Run, err
	case err != nil:
		return false, "", err
	}
	if now, changed := merge(was, in); changed {
		_, err = s.putJSON(ctx, key, now, false)
	}
	return false, was.Run, err
}

// seenAgain is how much later an input must be seen again for its record to be written
// again for that alone.
const seenAgain = time.Hour

// merge returns was with what now knows beyond it.
func merge(was, now Input) (Input, bool) {
	changed := false
	if now.Tried > 0 && (now.Tried != was.Tried || now.Reproduced != was.Reproduced) {
		was.Tried, was.Reproduced, was.Stability = now.Tried, now.Reproduced, now.Stability
		changed = true
	}
	if len(now.Command) > 0 && !slices.Equal(was.Command, now.Command) {
		was.Command, was.Env = now.Command, now.Env
		changed = true
	}
	if was.Log == "" && now.Log != "" {
		was.Log, was.Report = now.Log, now.Report
		changed = true
	}
	if was.MinimisedFrom == "" && now.MinimisedFrom != "" {
		was.MinimisedFrom = now.MinimisedFrom
		changed = true
	}
	if changed || now.LastSeen.Sub(was.LastSeen) >= seenAgain {
		changed = true
		was.LastSeen = later(was.LastSeen, now.LastSeen)
	}
	return was, changed
}

// remove takes an input out that a smaller one has the place of: the record first, so
// that nobody reads a record without its input.
func (s *Store) remove(ctx context.Context, in Input, sha string, t *tally) error {
	key := keyOf(in.Lineage, in.Signature, inputsDir, sha)
	err := errors.Join(s.blobs.RemoveBlob(ctx, key+recordExt), s.blobs.RemoveBlob(ctx, key))
	if err == nil {
		delete(t.kept, sha)
	}
	return err
}

// Identify returns the report and the signature of a crash.
func Identify(o Origin, harness string, kind fuzz.FoundKind, log string, input []byte) (Report, string) {
	r := Parse(o.Engine, log, o.Roots...)
	if r.Type == "unknown" || r.Type == "deadly-signal" && kind != fuzz.FoundCrash {
		if t := map[fuzz.FoundKind]string{fuzz.FoundTimeout: "timeout", fuzz.FoundMemory: "out-of-memory", fuzz.FoundLeak: "leak"}[kind]; t != "" {
			r = finish(Report{Type: t, Frames: r.Frames, Detail: r.Detail})
		}
	}
	sum := sha256.Sum256(input)
	return r, Signature(o.Lineage, harness, r, hex.EncodeToString(sum[:]))
}

func inputOf(c Crash) Input {
	report, signature := Identify(c.Origin, c.Harness.Name, c.Kind, c.Log, c.Input)
	if report.Type == "test-failure" && len(report.Frames) > 0 && !strings.Contains(report.Frames[0].File, "/") {
		// testing leaves out the folder: it is that of the test.
		report.Frames[0].File = path.Join(path.Dir(c.Harness.File), report.Frames[0].File)
	}
	sum := sha256.Sum256(c.Input)
	log := c.Log
	if len(log) > maxStoredLog {
		log = log[len(log)-maxStoredLog:]
	}
	in := Input{
		Version: recordVersion, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(c.Input)), Signature: signature, Origin: c.Origin,
		Harness: c.Harness, Kind: c.Kind, Seen: c.Seen.UTC(), LastSeen: c.Seen.UTC(), Report: report,
		Log: clean(c.Origin.portable(log), maxStoredLog), MinimisedFrom: c.Smaller,
		Tried: c.Tried, Reproduced: c.Reproduced, Stability: stabilityOf(c.Tried, c.Reproduced),
	}
	in.Command, in.Env = c.Origin.words(c.Command), c.Origin.words(c.Env)
	return in
}

// portable tells the places of the workspace as $WORKSPACE.
func (o Origin) portable(s string) string {
	roots := slices.Clone(o.Roots)
	slices.SortFunc(roots, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the longest first: one may lie in another
	for _, r := range roots {
		if r = strings.TrimRight(r, "/"); r != "" {
			s = strings.ReplaceAll(s, r+"/", "$WORKSPACE/")
		}
	}
	return s
}

func (o Origin) words(ws []string) (out []string) {
	for _, w := range ws[:min(len(ws), maxCommand)] {
		out = append(out, clean(o.portable(w), maxWord))
	}
	return out
}
