package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/internal/durable"
)

// writeSARIF writes the log to name: whole, or not at all.
func writeSARIF(name string, log json.RawMessage) error {
	fail := func(err error, fix string) error {
		return &cordon.Error{Op: "write SARIF to", Name: fmt.Sprintf("%q", name), Err: err, Fix: fix}
	}
	if log == nil {
		return fail(errors.New("the workflow made none"), "leave --sarif out")
	}
	var text bytes.Buffer
	if err := json.Indent(&text, log, "", "  "); err != nil {
		return fail(err, "report it: the workflow's SARIF is not JSON")
	}
	text.WriteByte('\n')
	folder, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return fail(err, "name a file in a folder that can be written")
	}
	defer folder.Close()
	if err := durable.WriteFile(folder, filepath.Base(name), text.Bytes()); err != nil {
		return fail(err, "name a file in a folder that can be written")
	}
	return nil
}

// subtractSARIF leaves out of a SARIF log the results that are known already.
// Everything else of the log stays as it is, whatever it holds.
func subtractSARIF(log json.RawMessage, known *finding.Baseline) (json.RawMessage, error) {
	var doc map[string]any
	if err := json.Unmarshal(log, &doc); err != nil {
		return nil, fmt.Errorf("read the workflow's SARIF: %w", err)
	}
	runs, _ := doc["runs"].([]any)
	for _, r := range runs {
		run, _ := r.(map[string]any)
		results, _ := run["results"].([]any)
		fresh := make([]any, 0, len(results))
		for _, result := range results {
			if !knows(known, result) {
				fresh = append(fresh, result)
			}
		}
		if run != nil {
			run["results"] = fresh
		}
	}
	return json.Marshal(doc)
}

// knows reports whether one of a SARIF result's fingerprints is in the baseline.
func knows(known *finding.Baseline, result any) bool {
	r, _ := result.(map[string]any)
	prints, _ := r["partialFingerprints"].(map[string]any)
	for _, p := range prints {
		if text, ok := p.(string); ok {
			if _, n := known.Filter([]finding.Finding{{Fingerprint: text}}); n > 0 {
				return true
			}
		}
	}
	return false
}
