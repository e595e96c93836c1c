package gofuzz

import (
	"context"
	"path/filepath"
	"time"

	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/shrink"
)

// Minimise implements fuzz.Binary. Go makes inputs smaller while it fuzzes, for
// seconds, and takes any failure for the same; this is for what is left then.
func (b *binary) Minimise(ctx context.Context, file, out string, budget time.Duration) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	input, err := b.read(file)
	if err != nil {
		return false, err
	}
	if _, ok := seedName(input); ok {
		return false, nil // what it holds is not known
	}
	inTime, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	small, err := b.minimise(inTime, input)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err != nil && inTime.Err() == nil {
		return false, err
	}
	if len(small) == 0 || len(small) >= len(input) {
		return false, nil
	}
	d, err := b.open(filepath.Dir(out))
	if err != nil {
		return false, err
	}
	defer d.Close()
	return true, d.Write(filepath.Base(out), small)
}

// minimise returns the smallest input found until ctx is done, or nothing where
// input does not crash.
func (b *binary) minimise(ctx context.Context, input []byte) ([]byte, error) {
	encoded := input
	if !isEncoded(input) {
		t, err := b.traits(ctx)
		if err != nil {
			return nil, err
		}
		var ok bool
		if encoded, ok = t.encoded(input); !ok {
			return nil, nil
		}
	}
	values, err := decode(encoded)
	if err != nil {
		return nil, b.fail("minimise", err, "give an input of this harness")
	}
	first, err := b.reproduce(ctx, encoded, limits{0, b.memory.Load()}.orDefault(), hang+toSay)
	if err != nil || !first.Crashed {
		return nil, err
	}
	// A hang is only looked at for some times as long as its input's time.
	same := func(ctx context.Context, candidate []value) (bool, error) {
		r, err := b.reproduce(ctx, encode(candidate), limits{0, b.memory.Load()}.orDefault(), hang+toSay)
		return err == nil && r.Crashed && b.signature(r) == b.signature(first), err
	}
	for i := range values {
		try := func(v value) func(context.Context, []byte) (bool, error) {
			return func(ctx context.Context, data []byte) (bool, error) {
				candidate := append([]value(nil), values...)
				v.data = data
				candidate[i] = v
				return same(ctx, candidate)
			}
		}
		if !values[i].isBytes() {
			plain := value{typ: values[i].typ, text: "0"}
			if plain.typ == "bool" {
				plain.text = "false"
			}
			if ok, _ := try(plain)(ctx, nil); ok {
				values[i] = plain
			}
			continue
		}
		small, err := shrink.Bytes(ctx, values[i].data, try(values[i]))
		if err != nil && ctx.Err() == nil {
			return nil, err
		}
		values[i].data = small
	}
	if isEncoded(input) {
		return encode(values), nil
	}
	return values[0].data, nil
}

// signature tells the bugs of one harness apart.
func (b *binary) signature(r fuzz.Reproduction) string {
	return string(r.Kind) + crash.Signature("", b.name, crash.Parse("go", r.Log, b.workspace), "")
}
