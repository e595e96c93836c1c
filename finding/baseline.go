package finding

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cordonlabs/cordon"
)

// maxBaselineBytes bounds a baseline: a hundred times the largest result that Bound lets through.
const maxBaselineBytes = 256 << 20

// Baseline is the set of findings that an earlier result had. A zero Baseline has none.
type Baseline struct {
	known map[string]struct{}
}

// ReadBaseline reads an earlier result: Cordon's results JSON (the object, or its
// findings alone) or a SARIF file that Cordon wrote. Suppressed results of a SARIF file count
// too. What is neither is an InvalidArgument error; name is the file's, for the message.
func ReadBaseline(r io.Reader, name string) (*Baseline, error) {
	fail := func(err error) (*Baseline, error) {
		return nil, &cordon.Error{
			Kind: cordon.InvalidArgument, Op: "read baseline", Name: fmt.Sprintf("%q", name), Err: err,
			Fix: "give a results.json or results.sarif of an earlier run of cordon",
		}
	}
	body, err := io.ReadAll(io.LimitReader(r, maxBaselineBytes+1))
	if err != nil {
		return fail(err)
	}
	if len(body) > maxBaselineBytes {
		return fail(fmt.Errorf("larger than %s", cordon.FormatBytes(maxBaselineBytes)))
	}

	type result struct {
		Fingerprint string `json:"fingerprint"`
	}
	var doc struct {
		Findings []result `json:"findings"`
		Runs     []struct {
			Results []struct {
				PartialFingerprints map[string]string `json:"partialFingerprints"`
			} `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(body, &doc.Findings); err != nil {
		doc.Findings = nil
		if err := json.Unmarshal(body, &doc); err != nil {
			return fail(fmt.Errorf("not a result: %w", err))
		}
		if doc.Findings == nil && doc.Runs == nil {
			return fail(fmt.Errorf("neither findings nor SARIF runs in it"))
		}
	}

	b := &Baseline{known: make(map[string]struct{})}
	total := 0
	add := func(fp string) {
		total++
		if IsFingerprint(fp) {
			b.known[fp] = struct{}{}
		}
	}
	for _, f := range doc.Findings {
		add(f.Fingerprint)
	}
	for _, run := range doc.Runs {
		for _, res := range run.Results {
			add(res.PartialFingerprints[sarifFingerprint])
		}
	}
	if total > 0 && len(b.known) == 0 {
		return fail(fmt.Errorf("none of its %d findings has a fingerprint of cordon's", total))
	}
	return b, nil
}

// Len returns how many findings the baseline knows.
func (b *Baseline) Len() int { return len(b.known) }

// Filter returns the findings that are new, in their order, and how many were known.
func (b *Baseline) Filter(fs []Finding) (fresh []Finding, known int) {
	for _, f := range fs {
		if _, ok := b.known[f.Fingerprint]; ok {
			known++
			continue
		}
		fresh = append(fresh, f)
	}
	return fresh, known
}
