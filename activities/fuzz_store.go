package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace"
)

// FuzzStore is where crashes and corpora are kept.
type FuzzStore struct {
	Crashes *crash.Store
	// Corpus returns the corpus of a harness, for one campaign.
	Corpus func(lineage, engine, harness string) fuzz.Corpus
}

// NewFuzzStore keeps both in blobs.
func NewFuzzStore(blobs target.Blobs, log *slog.Logger) FuzzStore {
	return FuzzStore{
		Crashes: crash.NewStore(blobs, log),
		Corpus: func(lineage, engine, harness string) fuzz.Corpus {
			return corpus.Open(blobs, corpus.Name{Lineage: lineage, Engine: engine, Harness: harness}, corpus.Options{Log: log}).Campaign()
		},
	}
}

// salvageNote is what run_fuzzer notes before anything is found: what Salvage needs
// to save it.
type salvageNote struct {
	Origin    crash.Origin   `json:"origin"`
	Harnesses []fuzz.Harness `json:"harnesses"`
}

// Salvage saves what a run_fuzzer left in its workspace: it is a workspace.Salvage.
func (s FuzzStore) Salvage(ctx context.Context, e workspace.Entry, note []byte) error {
	var n salvageNote
	if err := json.Unmarshal(note, &n); err != nil {
		return fmt.Errorf("read the note of what is to be saved: %w", err)
	}
	n.Origin.Roots = []string{e.Path}
	var problems []error
	for _, h := range n.Harnesses {
		place := fuzz.PlaceOf(e.Path, n.Origin.Engine, h.Name)
		problems = append(problems, fuzz.Salvage(ctx, place, h, s.Crashes.Campaign(n.Origin), s.Corpus(n.Origin.Lineage, n.Origin.Engine, h.Name)))
	}
	return errors.Join(problems...)
}
