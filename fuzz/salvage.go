package fuzz

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cordonlabs/cordon"
)

// Salvage stores what a campaign left in its place when it was cut off: crash inputs
// that are not in the store yet, and the corpus. Nothing is run: each input is a bug
// of its own until somebody reproduces it. Doing it again does no harm.
func Salvage(ctx context.Context, p Place, h Harness, crashes Crashes, corpus Corpus) error {
	if _, err := os.Lstat(p.dir("")); errors.Is(err, fs.ErrNotExist) {
		return nil // it never began
	}
	waiting, err := p.artifacts()
	if err != nil {
		return err
	}
	var problems []error
	for _, info := range waiting {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		data, err := p.read(artifactsDir, info.Name())
		if err != nil {
			continue // no input that anybody could keep
		}
		sum := sha256.Sum256(data)
		kind := kindByName(info.Name())
		err = crashes.Keep(ctx, crashes.Identify(h.Name, kind, "", data), Crash{Input: data, Kind: kind, Harness: h, Seen: info.ModTime()})
		if err != nil {
			problems = append(problems, fmt.Errorf("crash input %s: %w", hex.EncodeToString(sum[:6]), err))
			continue
		}
		p.kept(info.Name())
	}
	if len(waiting) == maxArtifacts && len(problems) == 0 {
		return Salvage(ctx, p, h, crashes, corpus) // there may be more
	}
	dir, err := p.open(corpusDir)
	if err == nil {
		_, err = corpus.Push(ctx, dir)
		_ = dir.Close() // only read
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problems = append(problems, fmt.Errorf("corpus: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return &cordon.Error{Kind: cordon.KindOf(err), Op: "store what was found", Name: h.Name, Err: err}
	}
	return nil
}
