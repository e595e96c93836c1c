package cordon

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Decimal and binary units of size (CONTRACT §8.4).
const (
	KB int64 = 1000
	MB       = 1000 * KB
	GB       = 1000 * MB
	TB       = 1000 * GB

	KiB int64 = 1 << 10
	MiB       = KiB << 10
	GiB       = MiB << 10
	TiB       = GiB << 10
)

// Size is an amount of disk: a number of bytes, or a share of the disk that
// only the disk's owner can turn into one.
type Size struct {
	bytes   int64
	percent float64
}

// SizeForms says which spellings ParseSize accepts; error messages quote it.
const SizeForms = "10 (GB), 500MB, 10G, 10GB, 10GiB, 1.5TB, or 20% of the disk"

// BytesOf returns the Size of n bytes.
func BytesOf(n int64) Size { return Size{bytes: n} }

// Of returns the size in bytes on a disk of diskBytes.
func (s Size) Of(diskBytes int64) int64 {
	if s.percent > 0 {
		return int64(float64(diskBytes) * s.percent / 100)
	}
	return s.bytes
}

// IsZero reports whether no size was set.
func (s Size) IsZero() bool { return s == Size{} }

func (s Size) String() string {
	if s.percent > 0 {
		return strconv.FormatFloat(s.percent, 'f', -1, 64) + "%"
	}
	return FormatBytes(s.bytes)
}

var sizeUnits = map[string]int64{
	"b": 1, "k": KB, "kb": KB, "kib": KiB, "ki": KiB, "m": MB, "mb": MB, "mib": MiB, "mi": MiB,
	"": GB, "g": GB, "gb": GB, "gib": GiB, "gi": GiB, "t": TB, "tb": TB, "tib": TiB, "ti": TiB,
}

// ParseSize reads a size as CACHE_MAX_SIZE spells it (CONTRACT §4). A bare
// number is gigabytes, units are case-insensitive, and a space may stand before
// the unit. The size must be more than zero.
func ParseSize(s string) (Size, error) {
	t := strings.TrimSpace(s)
	n := len(t) - len(strings.TrimLeft(t, "0123456789."))
	num, unit := t[:n], strings.ToLower(strings.TrimSpace(t[n:]))
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || v <= 0 {
		return Size{}, fmt.Errorf("%q is not a size; accepted: %s", s, SizeForms)
	}
	if unit == "%" {
		if v > 100 {
			return Size{}, fmt.Errorf("%q is more than the whole disk; accepted: %s", s, SizeForms)
		}
		return Size{percent: v}, nil
	}
	mult, ok := sizeUnits[unit]
	if !ok {
		return Size{}, fmt.Errorf("%q has an unknown unit; accepted: %s", s, SizeForms)
	}
	b := v * float64(mult)
	if b >= math.MaxInt64 {
		return Size{}, fmt.Errorf("%q is larger than any disk; accepted: %s", s, SizeForms)
	}
	if b < 1 {
		return Size{}, fmt.Errorf("%q is less than a byte; accepted: %s", s, SizeForms)
	}
	return Size{bytes: int64(b)}, nil
}

// FormatBytes renders n for people, in decimal units with three significant
// digits: "0 B", "999 B", "1.36 GB".
func FormatBytes(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	if n < KB {
		return fmt.Sprintf("%s%d B", sign, n)
	}
	v, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		v /= 1000
		unit = u
		if v < 999.5 {
			break
		}
	}
	switch {
	case v < 9.995:
		return fmt.Sprintf("%s%.2f %s", sign, v, unit)
	case v < 99.95:
		return fmt.Sprintf("%s%.1f %s", sign, v, unit)
	}
	return fmt.Sprintf("%s%.0f %s", sign, v, unit)
}

// DurationForms says which spellings ParseDuration accepts; error messages quote it.
const DurationForms = "36h, 90m, 45s, 7d, 1d12h, or 0 for none"

var errDuration = errors.New("not a duration")

// ParseDuration reads a duration as CACHE_TTL spells it (CONTRACT §4): Go's
// syntax with days ("d") added. 0 means none; a negative duration or a bare
// number other than 0 is refused, for its unit would be a guess.
func ParseDuration(s string) (time.Duration, error) {
	d, err := parseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; accepted: %s", s, DurationForms)
	}
	return d, nil
}

func parseDuration(t string) (time.Duration, error) {
	if t == "0" {
		return 0, nil
	}
	var days time.Duration
	if num, rest, ok := strings.Cut(t, "d"); ok {
		v, err := strconv.ParseFloat(num, 64)
		if err != nil || !(v >= 0 && v <= 36500) { // so that NaN is refused too
			return 0, errDuration
		}
		days, t = time.Duration(v*24*float64(time.Hour)), rest
		if t == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(t)
	if err != nil || d < 0 {
		return 0, errDuration
	}
	return days + d, nil
}
