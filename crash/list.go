package crash

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// Filter says which bugs are listed; an empty field takes all. Of a bug, the inputs
// that it takes are listed, and the bug if there are any.
type Filter struct {
	Lineage string
	Target  string
	Harness string
	Engine  string
	Run     string
}

func (f Filter) takes(in Input) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(f.Lineage, in.Lineage) && is(f.Target, in.Target.String()) && is(f.Harness, in.Harness.Name) && is(f.Engine, in.Engine) && is(f.Run, in.Run)
}

// shelf is what a listing of keys shows of one bug.
type shelf struct {
	at        string // the key of the bug
	signature string
	keys      []string
	have      map[string]bool
}

// shelves lists the keys of all bugs, sorted.
func (s *Store) shelves(ctx context.Context, lineage string) (all []*shelf, err error) {
	at := prefix
	if lineage != "" {
		at += "/" + target.BlobName(lineage)
	}
	for info, err := range s.blobs.ListBlobs(ctx, at) {
		if err != nil {
			return nil, err
		}
		parts := strings.SplitN(info.Key, "/", 4)
		if len(parts) < 4 || !IsSignature(parts[2]) {
			s.passOver(ctx, info.Key, errors.New("its key is none of a crash"))
			continue
		}
		at := strings.Join(parts[:3], "/")
		if n := len(all); n == 0 || all[n-1].at != at {
			all = append(all, &shelf{at: at, signature: parts[2], have: map[string]bool{}})
		}
		sh := all[len(all)-1]
		sh.keys = append(sh.keys, info.Key)
		sh.have[info.Key] = true
	}
	return all, nil
}

// List returns the bugs that f takes, the worst first, then the one that was seen last.
func (s *Store) List(ctx context.Context, f Filter) ([]Bug, error) {
	all, err := s.shelves(ctx, f.Lineage)
	if err != nil {
		return nil, err
	}
	bugs := []Bug{}
	for _, sh := range all {
		first, inputs, runs, err := s.read(ctx, sh.at, sh.keys, sh.have)
		if err != nil {
			return nil, err
		}
		inputs = slices.DeleteFunc(inputs, func(in Input) bool { return !f.takes(in) })
		if b, ok := assemble(first, inputs, runs); ok {
			bugs = append(bugs, b)
		}
	}
	slices.SortFunc(bugs, func(a, b Bug) int {
		return cmp.Or(severityOrder(a, b), b.LastSeen.Compare(a.LastSeen), strings.Compare(a.Signature, b.Signature))
	})
	return bugs, nil
}

func severityOrder(a, b Bug) int {
	switch x, y := a.Report.Severity, b.Report.Severity; {
	case x == y:
		return 0
	case x.AtLeast(y):
		return -1
	}
	return 1
}

// Get returns the bug that id means: the beginning of its signature, or of the
// SHA-256 of one of its inputs, which is returned too; for a signature it is the
// best one. The error is TargetNotFound where there is none, and an InvalidArgument
// that lists them where there are several.
func (s *Store) Get(ctx context.Context, id, lineage string) (Bug, Input, error) {
	fail := func(kind cordon.Kind, err error, fix string) (Bug, Input, error) {
		return Bug{}, Input{}, &cordon.Error{Kind: kind, Op: "find crash", Name: fmt.Sprintf("%.80q", id), Err: err, Fix: fix}
	}
	id = strings.ToLower(strings.TrimSpace(id))
	if id == "" || len(id) > 2*32 || !isHex(id) {
		return fail(cordon.InvalidArgument, errors.New("it is no id of a crash"), "give the beginning of a crash's id or of an input's SHA-256, in hexadecimal digits")
	}
	all, err := s.shelves(ctx, lineage)
	if err != nil {
		return Bug{}, Input{}, err
	}
	type match struct {
		sh  *shelf
		sha string
	}
	var matches []match
	for _, sh := range all {
		if strings.HasPrefix(sh.signature, id) {
			matches = append(matches, match{sh: sh})
			continue
		}
		for _, key := range sh.keys {
			if sha := strings.TrimPrefix(key, sh.at+"/"+inputsDir+"/"); isSHA256(sha) && strings.HasPrefix(sha, id) {
				matches = append(matches, match{sh, sha})
			}
		}
	}
	switch len(matches) {
	case 0:
		return fail(cordon.TargetNotFound, errors.New("no crash has this id"), "see 'cordon crashes list'")
	case 1:
	default:
		names := make([]string, 0, maxListed)
		for _, m := range matches[:min(len(matches), maxListed)] {
			name := m.sh.signature
			if m.sha != "" {
				name += " (input " + m.sha[:SignatureLen] + ")"
			}
			names = append(names, name)
		}
		if more := len(matches) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
		return fail(cordon.InvalidArgument, fmt.Errorf("it means several: %s", strings.Join(names, ", ")), "give more of its digits, or name the lineage")
	}
	m := matches[0]
	first, inputs, runs, err := s.read(ctx, m.sh.at, m.sh.keys, m.sh.have)
	if err != nil {
		return Bug{}, Input{}, err
	}
	b, ok := assemble(first, inputs, runs)
	if !ok {
		return fail(cordon.TargetNotFound, errors.New("what is stored of it is damaged, or not complete yet"), "see the warnings, and try again")
	}
	if m.sha == "" {
		return b, b.Best(), nil
	}
	in, ok := b.Input(m.sha)
	if !ok {
		return fail(cordon.TargetNotFound, errors.New("what is stored of this input is damaged, or not complete yet"), "see the warnings, and try again")
	}
	return b, in, nil
}

// maxListed is how many crashes a message lists.
const maxListed = 10

// check returns an error unless b is what its key says.
func (b Bug) check(at string) (damaged bool, err error) {
	if keyOf(b.Lineage, b.Signature) != at || !strings.HasPrefix(b.Fingerprint, b.Signature) {
		return true, errors.New("it is of another bug")
	}
	return false, nil
}

// check returns an error unless in is what its key says.
func (in Input) check(at, key string) (damaged bool, err error) {
	switch {
	case keyOf(in.Lineage, in.Signature) != at || at+"/"+inputsDir+"/"+in.SHA256+recordExt != key || !isSHA256(in.SHA256):
		return true, errors.New("it is of another input")
	case rank(in) < 0 || in.Size < 0:
		return true, fmt.Errorf("its stability is %.40q, and its size %d", in.Stability, in.Size)
	}
	return false, nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && strings.ToLower(s) == s
}
