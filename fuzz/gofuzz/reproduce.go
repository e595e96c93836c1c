package gofuzz

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

// toSay is how long a process has for its start, and for saying that it has reached
// its limit, beyond the limit.
const toSay = 3 * time.Second

// Reproduce implements fuzz.Binary.
func (b *binary) Reproduce(ctx context.Context, file string, limit time.Duration) (fuzz.Reproduction, error) {
	if ctx.Err() != nil {
		return fuzz.Reproduction{}, context.Cause(ctx)
	}
	data, err := b.read(file)
	if err != nil {
		return fuzz.Reproduction{}, err
	}
	r, err := b.reproduce(ctx, data, limits{limit, b.memory.Load()}.orDefault(), limit+toSay)
	if err != nil {
		return fuzz.Reproduction{}, err
	}
	r.Command = b.byHand(file, data)
	return r, nil
}

// reproduce runs one input, within all.
func (b *binary) reproduce(ctx context.Context, input []byte, l limits, all time.Duration) (fuzz.Reproduction, error) {
	name, isSeed := seedName(input)
	if !isSeed {
		name = digest(input)
		if !isEncoded(input) {
			t, err := b.traits(ctx)
			if err != nil {
				return fuzz.Reproduction{}, err
			}
			var ok bool
			if input, ok = t.encoded(input); !ok {
				return fuzz.Reproduction{}, b.fail("reproduce", fmt.Errorf("the input is not in the format %q, and the harness takes more than one []byte or string", header), "give it in that format")
			}
		}
	}
	r, err := b.newRoom()
	if err != nil {
		return fuzz.Reproduction{}, err
	}
	defer r.close()
	if !isSeed {
		if err := r.seeds.Write(name, input); err != nil {
			return fuzz.Reproduction{}, err
		}
	}
	inTime, cancel := within(ctx, all)
	defer cancel()
	p := newProgress()
	c := b.command(r, l, "-test.run="+exactly(b.function)+"/"+exactly(name))
	c.Stdout, c.Stderr = p, p
	exit, err := b.run.Run(inTime, c)
	p.flush()
	switch {
	case err != nil:
		return fuzz.Reproduction{}, err
	case ctx.Err() != nil:
		return fuzz.Reproduction{}, context.Cause(ctx)
	case inTime.Err() != nil:
		return fuzz.Reproduction{Crashed: true, Kind: fuzz.FoundTimeout, Log: orOutput(p)}, nil
	case exit.Code == 0:
		return fuzz.Reproduction{}, nil
	}
	said := p.output()
	if strings.Contains(said, "in corpus entry: ") || strings.Contains(said, ": unmarshal: ") {
		return fuzz.Reproduction{}, &notOurs{b.fail("reproduce", failed(exit, said), "give an input of this harness")}
	}
	return fuzz.Reproduction{Crashed: true, Kind: kindOf(said, exit), Log: orOutput(p)}, nil
}

// notOurs says that an input is for a harness with other arguments.
type notOurs struct{ error }

func (e *notOurs) Unwrap() error { return e.error }

// orOutput is the report, or what else was said.
func orOutput(p *progress) string {
	if f := p.failure(); f != "" {
		return f
	}
	return strings.TrimSpace(p.output())
}

// kindOf tells the kinds of crash apart, by how a process ended or what Go says of it.
func kindOf(said string, exit fuzz.Exit) fuzz.FoundKind {
	ended := func(code int) bool {
		return exit.Code == code || strings.Contains(said, fmt.Sprintf("terminated unexpectedly: exit status %d", code))
	}
	switch {
	case ended(exitHang), exit.Limit == "time":
		return fuzz.FoundTimeout
	case ended(exitMemory), exit.Limit == "memory":
		return fuzz.FoundMemory
	}
	return fuzz.FoundCrash
}

// byHand is the command that reproduces an input for whoever has the project and Go,
// without anything of ours.
func (b *binary) byHand(file string, input []byte) []string {
	if name, ok := seedName(input); ok {
		return []string{"go", "test", "-C", b.pkg, "-run=" + exactly(b.function) + "/" + exactly(name)}
	}
	place, name := "testdata/fuzz/"+b.function, filepath.Base(file)
	make, what := `cp "$2" `+place, file
	if !isEncoded(input) {
		if input, _ = b.known().encoded(input); len(input) > maxArgument {
			return nil
		}
		name = digest(input)
		make, what = `printf %s "$2" > `+place+"/"+name, string(input)
	}
	return []string{"sh", "-c", fmt.Sprintf(`cd "$1" && mkdir -p %s && %s && go test -run='%s/%s'`,
		place, make, exactly(b.function), exactly(name)), "sh", b.pkg, what}
}

// maxArgument is what Linux lets one argument of a command be, and a little less.
const maxArgument = 120 << 10
