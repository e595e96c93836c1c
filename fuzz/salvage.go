package fuzz

import (
	"context"
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
	problems := salvageCrashes(ctx, p, h, crashes)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	dir, err := p.open(corpusDir)
	if err == nil {
		_, err = corpus.Push(ctx, dir)
		_ = dir.Close() // only read
	} else {
		err = resources(err)
	}
	if err != nil {
		problems = append(problems, fmt.Errorf("corpus: %w", err))
	}
	if err := errors.Join(problems...); err != nil {
		return &cordon.Error{Kind: cordon.KindOf(err), Op: "store what was found", Name: h.Name, Err: err}
	}
	return nil
}

// salvageCrashes stores the crash inputs. It ends whatever the tool does: with the last of
// them, or when none of those that are left moves away.
func salvageCrashes(ctx context.Context, p Place, h Harness, crashes Crashes) (problems []error) {
	for {
		waiting, more, err := p.artifacts()
		if err != nil {
			return append(problems, err)
		}
		moved := 0
		for _, info := range waiting {
			if ctx.Err() != nil {
				return problems
			}
			data, err := p.read(artifactsDir, info.Name())
			if err = resources(err); err == nil && data != nil {
				kind := kindByName(info.Name())
				err = crashes.Keep(ctx, crashes.Identify(h.Name, kind, "", data), Crash{Input: data, Kind: kind, Harness: h, Seen: info.ModTime()})
			}
			if err != nil {
				problems = append(problems, fmt.Errorf("crash input %.100q: %w", info.Name(), err))
				if len(problems) >= maxProblems {
					return problems
				}
				continue
			}
			// What could not be read is no input that anybody could keep.
			if p.kept(info.Name()) {
				moved++
			}
		}
		if !more || moved == 0 {
			return problems
		}
	}
}

// maxProblems is after how many inputs that cannot be stored the others are left to
// the next try.
const maxProblems = 20
