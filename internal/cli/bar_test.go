package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

// barAt is a bar with a clock of its own; its steps are shown as it would show them.
type barAt struct {
	*bar
	clock time.Time
	out   bytes.Buffer
}

func newBarAt(tty bool) *barAt {
	b := &barAt{clock: time.Unix(0, 0)}
	s := newScreen(&b.out, &b.out, func(string) string { return "" })
	s.errTTY = tty
	b.bar = s.newBar("uploading", func() time.Time { return b.clock })
	return b
}

// step lets time pass and returns what is shown then.
func (b *barAt) step(d time.Duration, done, total int64) string {
	b.out.Reset()
	b.clock = b.clock.Add(d)
	b.update(done, total)
	if b.s.errTTY {
		return b.s.live
	}
	return b.out.String()
}

func TestABarTellsTheRateOfTheLastSecondsAndTheTimeLeft(t *testing.T) {
	const total = 1000 * cordon.MB
	b := newBarAt(true)
	var got string
	done := int64(0)
	for range 40 { // ten seconds at 40 MB/s
		done += 10 * cordon.MB
		got = b.step(250*time.Millisecond, done, total)
	}
	if !strings.Contains(got, " 40%  400 MB of 1.00 GB  40.0 MB/s  15 s left") {
		t.Errorf("at a steady pace it says %q", got)
	}
	for range 24 { // six seconds at a tenth of that
		done += cordon.MB
		got = b.step(250*time.Millisecond, done, total)
	}
	if !strings.Contains(got, "4.00 MB/s  2 min 24 s left") {
		t.Errorf("six seconds after it has become slow it says %q", got)
	}
	for range 24 {
		done += 20 * cordon.MB
		got = b.step(250*time.Millisecond, done, total)
	}
	if !strings.Contains(got, "80.0 MB/s  2 s left") {
		t.Errorf("six seconds after it has become fast it says %q", got)
	}
}

func TestABarFitsOnATerminalOfEightyColumns(t *testing.T) {
	b := newBarAt(true)
	got := b.step(time.Second, 888*cordon.MB, 888*60*50*cordon.MB)
	if n := visible(got); n > 79 || !strings.HasSuffix(got, "888 MB of 2.66 TB  888 MB/s  49 min 59 s left") {
		t.Errorf("%q has %d columns", got, n)
	}
}

func TestABarDoesNotGuess(t *testing.T) {
	tests := []struct {
		name  string
		steps func(b *barAt) string
		want  string // all of it, without the label and the bar
	}{
		{"no rate at once", func(b *barAt) string { return b.step(200*time.Millisecond, 50, 100) }, " 50%  50 B of 100 B"},
		{"no time for a total that nobody knows", func(b *barAt) string { return b.step(time.Second, 3*cordon.MB, 0) }, "3.00 MB  3.00 MB/s"},
		{"no time at the end", func(b *barAt) string { return b.step(time.Second, 100, 100) }, "100%  100 B of 100 B  100 B/s"},
		{"not 100% before the end", func(b *barAt) string { return b.step(time.Second, 9999, 10000) }, " 99%  10.0 kB of 10.0 kB  10.0 kB/s  1 s left"},
		{"no time where it would be days", func(b *barAt) string { return b.step(time.Minute, 60, cordon.GB) }, "  0%  60 B of 1.00 GB  1 B/s"},
		{"no rate where nothing moves", func(b *barAt) string {
			b.step(time.Second, 50, 100)
			for range 8 {
				b.step(time.Second, 50, 100)
			}
			return b.step(time.Second, 50, 100)
		}, " 50%  50 B of 100 B"},
		{"no burst after a pause", func(b *barAt) string {
			b.step(time.Second, 10*cordon.MB, 100*cordon.MB)
			return b.step(time.Minute, 40*cordon.MB, 100*cordon.MB)
		}, " 40%  40.0 MB of 100 MB  500 kB/s  2 min left"},
		{"a second attempt begins anew", func(b *barAt) string {
			b.step(4*time.Second, 80*cordon.MB, 100*cordon.MB)
			b.step(time.Second, 0, 100*cordon.MB)
			return b.step(time.Second, 2*cordon.MB, 100*cordon.MB)
		}, "  2%  2.00 MB of 100 MB  2.00 MB/s  49 s left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBarAt(true)
			got := strings.TrimPrefix(tt.steps(b), "uploading   ")
			got = strings.TrimPrefix(strings.NewReplacer("█", "", "░", "", "\x1b[34m", "", "\x1b[0m", "").Replace(got), "  ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestALineSaysTheRateOfItsTenSeconds(t *testing.T) {
	b := newBarAt(false)
	var lines []string
	done := int64(0)
	for i := range 60 { // half a minute: fast first, slow then
		done += cordon.MB
		if i < 20 {
			done += 9 * cordon.MB
		}
		if got := b.step(500*time.Millisecond, done, 400*cordon.MB); got != "" {
			lines = append(lines, strings.TrimSpace(got))
		}
	}
	want := []string{
		"uploading    50%  200 MB of 400 MB  20.0 MB/s  10 s left",
		"uploading    55%  220 MB of 400 MB  2.00 MB/s  1 min 30 s left",
		"uploading    60%  240 MB of 400 MB  2.00 MB/s  1 min 20 s left",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}
