package cordon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"10": 10 * cordon.GB, "10G": 10 * cordon.GB, "10GB": 10 * cordon.GB, "10GiB": 10 * cordon.GiB, "500MB": 500 * cordon.MB,
		"1TB": cordon.TB, "1.5TB": 1500 * cordon.GB, "10gb": 10 * cordon.GB, " 10 GB ": 10 * cordon.GB, "512MiB": 512 * cordon.MiB, "100kB": 100_000, "1B": 1, "0.5": 500 * cordon.MB,
	} {
		s, err := cordon.ParseSize(in)
		if err != nil || s.Of(0) != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, s.Of(0), err, want)
		}
	}
	if s, err := cordon.ParseSize("20%"); err != nil || s.Of(1000) != 200 || s.String() != "20%" {
		t.Errorf("20%% = %v, %v", s, err)
	}
	for _, bad := range []string{"", "0", "-1GB", "ten", "10XB", "10 G B", "1e3GB", "101%", "0%", "1.2.3GB", "GB", "99999999999TB", "NaN", "Inf", "0.1B"} {
		if s, err := cordon.ParseSize(bad); err == nil {
			t.Errorf("ParseSize(%q) = %v", bad, s)
		} else if !strings.Contains(err.Error(), cordon.SizeForms) {
			t.Errorf("ParseSize(%q): %v does not say what is accepted", bad, err)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 1234: "1.23 kB", 9_995_000: "10.0 MB", 99_949_999: "99.9 MB", 123_456_789: "123 MB",
		999_499_999: "999 MB", 999_500_000: "1.00 GB", 1_360_000_000: "1.36 GB", -5000: "-5.00 kB",
	} {
		if got := cordon.FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"36h": 36 * time.Hour, "7d": 7 * 24 * time.Hour, "0": 0, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, " 45s ": 45 * time.Second, "0.5d": 12 * time.Hour,
	} {
		if d, err := cordon.ParseDuration(in); err != nil || d != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", in, d, err, want)
		}
	}
	for _, bad := range []string{"", "7", "-1h", "-1d", "d", "7days", "1w", "1h2d", "9999999d", "NaNd"} {
		if d, err := cordon.ParseDuration(bad); err == nil {
			t.Errorf("ParseDuration(%q) = %v", bad, d)
		} else if !strings.Contains(err.Error(), cordon.DurationForms) {
			t.Errorf("ParseDuration(%q): %v does not say what is accepted", bad, err)
		}
	}
}
