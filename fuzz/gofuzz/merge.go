package gofuzz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/scratch"
)

// candidate is an input that may be merged.
type candidate struct {
	name   string
	data   []byte  // as it was
	values []value // decoded
}

// Merge implements fuzz.Binary. Go has no such thing; but when it begins to fuzz, it
// runs the corpus once, in the order of the names, and can be asked to say what each
// input adds to the coverage. So the smallest come first, and those that add something
// are kept. What the harness adds by f.Add takes part in every session, and comes
// before them all. An input that crashes is not kept. Where Go measures no
// coverage, on other processors than amd64 and arm64, each content is kept once.
func (b *binary) Merge(ctx context.Context, into string, from []string, budget time.Duration) error {
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	err := b.merge(inTime, into, from)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case inTime.Err() != nil:
		return fmt.Errorf("merging took longer than %v", budget)
	}
	return err
}

func (b *binary) merge(ctx context.Context, into string, from []string) error {
	to, err := b.open(into)
	if err != nil {
		return err
	}
	defer to.Close()
	t, err := b.traits(ctx)
	if err != nil {
		return err
	}
	all, err := b.candidates(ctx, t, from)
	if err != nil {
		return err
	}
	for {
		bits, crashed, err := b.measure(ctx, t, all)
		if err != nil {
			return err
		}
		if crashed >= 0 {
			all = slices.Delete(all, crashed, crashed+1)
			continue
		}
		for i, c := range all {
			if bits[i] == 0 {
				continue
			}
			if to.Has(c.name) {
				c.name = digest(c.data)
			}
			if err := to.Write(c.name, c.data); err != nil {
				return err
			}
		}
		return nil
	}
}

// candidates reads the inputs of all directories, the smallest first, each content
// once. What is no input of this harness is left out.
func (b *binary) candidates(ctx context.Context, t traits, from []string) ([]candidate, error) {
	var all []candidate
	seen := make(map[string]bool) // contents
	fits := make(map[string]bool) // types of arguments
	for _, path := range from {
		d, err := b.open(path)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		names, err := d.Names()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			data, err := d.Read(name, scratch.MaxInput)
			if err != nil {
				continue // too large, or gone
			}
			encoded, ok := t.encoded(data)
			if !ok {
				continue
			}
			values, err := decode(encoded)
			if err != nil {
				continue
			}
			key := digest(encode(values))
			if seen[key] {
				continue
			}
			seen[key] = true
			types := typesOf(values)
			if _, asked := fits[types]; !asked {
				if fits[types], err = b.accepts(ctx, encoded); err != nil {
					return nil, err
				}
			}
			if fits[types] {
				all = append(all, candidate{name, data, values})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y candidate) int { return len(x.data) - len(y.data) })
	return all, nil
}

func typesOf(values []value) string {
	var types []string
	for _, v := range values {
		types = append(types, v.typ)
	}
	return strings.Join(types, " ")
}

// accepts reports whether the harness takes arguments of an input's types.
func (b *binary) accepts(ctx context.Context, encoded []byte) (bool, error) {
	_, err := b.reproduce(ctx, encoded, limits{}.orDefault(), hang+toSay)
	if errors.As(err, new(*notOurs)) {
		return false, nil
	}
	return err == nil, err
}

// measure returns what each input adds to the coverage of f.Add's and those before it,
// or the index of the first one that crashes, else -1.
func (b *binary) measure(ctx context.Context, t traits, all []candidate) (bits []int64, crashed int, err error) {
	r, err := b.newRoom()
	if err != nil {
		return nil, -1, err
	}
	defer r.close()
	for i, c := range all {
		// The empty line keeps Go from taking it for the same as one of f.Add's, and
		// leaving it out of its count.
		if err := r.cache.Write(fmt.Sprintf("%08d", i), append(encode(c.values), '\n')); err != nil {
			return nil, -1, err
		}
	}
	p := newProgress()
	exit, err := b.once(ctx, r, p, "-test.run=^$", "-test.fuzz="+exactly(b.function), "-test.fuzzcachedir="+r.cacheAbove.Path,
		fmt.Sprintf("-test.fuzztime=%dx", t.seeds+int64(len(all))), "-test.parallel=1", "-test.fuzzminimizetime=1x")
	if err != nil {
		return nil, -1, err
	}
	if exit.Code != 0 {
		i, err := strconv.Atoi(p.parent)
		if err != nil || i < 0 || i >= len(all) {
			return nil, -1, b.unmeasured(exit, p)
		}
		return nil, i, nil
	}
	p.mu.Lock()
	bits, known := p.bits, p.warmup
	p.mu.Unlock()
	if len(bits) == 0 && known == t.seeds { // without coverage, Go does not run the corpus
		return slices.Repeat([]int64{1}, len(all)), -1, nil
	}
	if int64(len(bits)) != t.seeds+int64(len(all)) {
		return nil, -1, b.unmeasured(exit, p)
	}
	return bits[t.seeds:], -1, nil
}

func (b *binary) unmeasured(exit fuzz.Exit, p *progress) error {
	return b.fail("merge", fmt.Errorf("Go did not measure all inputs: %w", failed(exit, p.output())), "remove inputs of other harnesses from the corpus")
}
