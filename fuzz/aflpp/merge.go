package aflpp

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/excerpt"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// maxMap is the most that is read of one input's map: a line for each of a million edges.
const maxMap = 16 << 20

// candidate is an input that may be merged.
type candidate struct {
	folder *scratch.Folder
	name   string
	size   int
	hash   string
}

// Merge implements fuzz.Binary. afl-cmin is a script, which needs other programs beside
// it; so afl-showmap is asked what each input reaches, the smallest come first, and
// those are kept that reach something which none before them did. What
// crashes or hangs is left out.
func (b *binary) Merge(ctx context.Context, into string, from []string, budget time.Duration) error {
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	err := b.merge(inTime, into, from)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case inTime.Err() != nil:
		return fmt.Errorf("merging with %q: the time is used up", b.harness)
	case err != nil:
		return fmt.Errorf("merging with %q: %w", b.harness, err)
	}
	return nil
}

func (b *binary) merge(ctx context.Context, into string, from []string) error {
	to, err := scratch.Open(b.workspace, into)
	if err != nil {
		return err
	}
	defer to.Close()
	out, err := scratch.Open(b.workspace, b.out)
	if err != nil {
		return err
	}
	defer out.Close()
	name := unique("merge-")
	top, err := out.Sub(name)
	if err != nil {
		return err
	}
	defer out.RemoveAll(name)
	defer top.Close()
	inputs, err := top.Sub("in")
	if err != nil {
		return err
	}
	defer inputs.Close()
	maps, err := top.Sub("maps")
	if err != nil {
		return err
	}
	defer maps.Close()

	var all []candidate
	seen := map[string]bool{}
	for _, dir := range from {
		d, err := scratch.Open(b.workspace, dir)
		if err != nil {
			return err
		}
		defer d.Close()
		names, err := d.Names()
		if err != nil {
			return err
		}
		for _, n := range names {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			data, err := d.Read(n, scratch.MaxInput)
			if err != nil {
				continue // too large, or gone
			}
			if h := digest(data); !seen[h] {
				seen[h] = true
				all = append(all, candidate{d, n, len(data), h})
				if err := inputs.Write(h, data); err != nil {
					return err
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	if err := b.showmap(ctx, inputs.Path, maps.Path); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(x, y candidate) int { return x.size - y.size })
	reached := map[string]bool{}
	for _, c := range all {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		text, err := maps.Read(c.hash, maxMap)
		if err != nil || !adds(reached, text) {
			continue // it crashed, or has nothing new
		}
		data, err := c.folder.Read(c.name, scratch.MaxInput)
		if err != nil {
			return err
		}
		n := c.name
		if to.Has(n) {
			n = c.hash
		}
		if err := to.Write(n, data); err != nil {
			return err
		}
	}
	if len(reached) == 0 {
		return fmt.Errorf("none of %d inputs reaches anything", len(all))
	}
	return nil
}

// showmap has a map of each input written that does not crash.
func (b *binary) showmap(ctx context.Context, inputs, maps string) error {
	said := excerpt.New(0, lastSaid)
	args := slices.Concat([]string{b.tools.showmap, "-q", "-t", fmt.Sprint(defaultInputTimeout.Milliseconds()), "-m", "none", "-i", inputs, "-o", maps, "--", b.program.Path},
		b.kind.args)
	exit, err := b.run.Run(ctx, fuzz.Command{Args: args, Dir: b.program.Dir, Env: aflEnvironment(), Stdout: said, Stderr: said, Readable: b.tools.readable})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if exit.Signal != 0 || exit.Limit != "" {
		return b.failed("merge", exit, plainText(said.String()))
	}
	return nil // its code is that of the last input
}

// adds adds what a map says is reached, and reports whether any of it is new. A line
// is an edge and how often it was passed, in classes.
func adds(reached map[string]bool, text []byte) bool {
	something := false
	for line := range bytes.Lines(text) {
		edge := strings.TrimSpace(string(line))
		if edge != "" && !reached[edge] {
			reached[edge], something = true, true
		}
	}
	return something
}
