package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/durable"
)

// planLife is how long a plan can be carried out: a day, so that somebody may look
// at it before. What has changed meanwhile is found out then.
const planLife = 24 * time.Hour

// plan is what a dry run would have removed, as its file says.
type plan struct {
	ID       string    `json:"id"`
	Made     time.Time `json:"made"`
	By       string    `json:"by"` // user@host
	Shrink   bool      `json:"shrink"`
	Keep     int64     `json:"keep_bytes"` // what the cache was to shrink to, asked to or by its limit
	Removals []Removal `json:"removals"`

	known map[string]bool // identities of Removals
}

// identity tells r from every other removal. What replaced an entry at its place
// was made elsewhere, and so is another one.
func (r Removal) identity() string { return r.Key + "\x00" + r.Staging + "\x00" + r.Path }

// removal describes the removal of r's entry.
func (c *Cache) removal(r *record, why string) Removal {
	return Removal{Key: string(r.Key), Kind: r.Kind, Target: r.Target, Run: r.Run, Staging: r.Staging, Path: c.abs(r.path()), Reason: why, Bytes: r.total()}
}

// planID is made of what is removed, and not of when or why.
func planID(p *plan) string {
	h := sha256.New()
	fmt.Fprintln(h, p.Shrink, p.Keep)
	all := make([]string, 0, len(p.Removals))
	for _, r := range p.Removals {
		all = append(all, r.identity())
	}
	slices.Sort(all)
	for _, id := range all {
		fmt.Fprintf(h, "%q\n", id)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func planFile(id string) string { return path.Join(plansDir, id+".json") }

// writePlan writes down what a dry run found. There is nothing to plan where
// nothing would go.
func (s *sweep) writePlan() error {
	if len(s.report.Removals) == 0 {
		return nil
	}
	p := &plan{Made: s.c.now().UTC(), By: whoami(), Shrink: s.opts.Shrink, Keep: s.shrunk, Removals: s.report.Removals}
	p.ID = planID(p)
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	if err := durable.Replace(s.c.root(), planFile(p.ID), append(b, '\n')); err != nil {
		return err
	}
	s.report.Plan = p.ID
	return s.c.root().Chtimes(planFile(p.ID), p.Made, p.Made)
}

// planIDForm is what planID makes.
var planIDForm = regexp.MustCompile(`^[0-9a-f]{12}$`)

// readPlan returns the plan id, or a TargetNotFound error; what is no id at all is an
// InvalidArgument.
func (c *Cache) readPlan(id string) (*plan, error) {
	lost := func(why string) error {
		return &cordon.Error{Kind: cordon.TargetNotFound, Op: "read plan", Name: fmt.Sprintf("%q", id),
			Err: errors.New(why), Fix: "make another one with 'cordon cache gc --dry-run'"}
	}
	if !planIDForm.MatchString(id) {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "read plan", Name: fmt.Sprintf("%q", id),
			Err: errors.New("a plan's id is 12 hexadecimal digits, 0-9 and a-f"), Fix: "copy it from what 'cordon cache gc --dry-run' prints"}
	}
	b, err := c.root().ReadFile(planFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lost("there is none, or it was older than 24 hours")
	}
	if err != nil {
		return nil, err
	}
	p := &plan{known: map[string]bool{}}
	if json.Unmarshal(b, p) != nil || planID(p) != id {
		return nil, lost("it cannot be read")
	}
	if c.now().Sub(p.Made) > planLife {
		return nil, lost("it is older than 24 hours")
	}
	for _, r := range p.Removals {
		p.known[r.identity()] = true
	}
	return p, nil
}

// plans removes what can no longer be carried out.
func (s *sweep) plans() error {
	if s.opts.DryRun {
		return nil
	}
	names, err := s.c.list(plansDir)
	if err != nil {
		return err
	}
	for _, n := range names {
		file := path.Join(plansDir, n)
		if info := lstat(s.c.root(), file); info != nil && s.c.now().Sub(info.ModTime()) > planLife {
			_ = s.c.root().Remove(file) // if it stays, it is removed next time
		}
	}
	return nil
}

// unplanned reports of what the plan has and no part of the sweep wanted to remove.
func (s *sweep) unplanned() error {
	told := map[string]bool{}
	for _, list := range [][]Removal{s.report.Removals, s.report.Deferred} {
		for _, r := range list {
			told[r.identity()] = true
		}
	}
	for _, r := range s.plan.Removals {
		if told[r.identity()] {
			continue
		}
		r.Reason = s.since(r, "it need not go any more")
		s.report.Deferred = append(s.report.Deferred, r)
	}
	return nil
}

const sincePlan = " since the plan was made"

// GoneSince is the reason of a deferred Removal that a plan has and that somebody else
// carried out, or the end of its run did.
const GoneSince = "gone" + sincePlan

// since says what has become of r since its plan was made.
func (s *sweep) since(r Removal, otherwise string) string {
	c := s.c
	if r.Key == "" || r.Staging == "" {
		if rel, ok := strings.CutPrefix(r.Path, c.dir+"/"); ok && lstat(c.root(), rel) == nil {
			return GoneSince
		}
		return otherwise + sincePlan
	}
	now, err := c.readRecord(key(r.Key))
	switch {
	case err != nil:
		return err.Error()
	case now == nil:
		return GoneSince
	case now.Staging != r.Staging:
		return "made anew" + sincePlan
	}
	if h, err := c.held(now.Key); h != nil && err == nil {
		return "in use again" + sincePlan + ", by run " + h.Run
	}
	if p, err := c.pinned(now.Key); p != nil && err == nil {
		return p.words() + "," + sincePlan
	}
	return otherwise + sincePlan
}
