package archive

import (
	"strings"
	"testing"
)

func TestParseLimits(t *testing.T) {
	got, err := ParseLimits(" bytes=1TB, Inodes = 20000000,depth=300,decodermemory=268435456,,ratio=1000")
	want := Limits{Bytes: 1e12, Inodes: 20_000_000, Depth: 300, DecoderMemory: 256 << 20, Ratio: 1000}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := ParseLimits(""); err != nil || got != (Limits{}) {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
	for _, bad := range []string{"bytes", "bytes=", "bytes=-1", "bytes=0", "bytes=20%", "inodes=1k", "inodes=1.5", "speed=9", "depth=99999999999", "bytes=1GB,bytes=2GB", "decodermemory=8TB", "=", "ratio=two"} {
		if _, err := ParseLimits(bad); err == nil || !strings.Contains(err.Error(), "bytes=1TB") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Every limit that a refusal names can be raised by that name.
func TestRefusalsNameLimitsThatExist(t *testing.T) {
	named := map[string]bool{}
	for _, c := range append(append(tarHostile(), zipHostile()...), compressionHostile()...) {
		if c.kind != "TargetTooLarge" {
			continue
		}
		_, err := newStage(t).extract(c.bytes, Options{Policy: Tar, Limits: c.opts.Limits})
		_, rest, ok := strings.Cut(err.Error(), "set ")
		name, _, ok2 := strings.Cut(rest, "=")
		if _, perr := ParseLimits(name + "=5"); !ok || !ok2 || perr != nil {
			t.Errorf("%v: %v", err, perr)
		}
		named[name] = true
	}
	if len(named) < 8 {
		t.Errorf("only %v are ever named", named)
	}
}

func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{"", "bytes=1TB,inodes=5", "depth=1,,", "ratio=9223372036854775807", "bytes=1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLimits(s)
		if err != nil {
			return
		}
		for _, v := range []int64{l.Bytes, l.Inodes, l.Ratio, l.RatioFloor, int64(l.Depth), int64(l.NameLen), int64(l.PathLen), l.LinkBytes, l.LinkSteps, l.DecoderMemory} {
			if v < 0 {
				t.Fatalf("%q is read as %+v", s, l)
			}
		}
	})
}
