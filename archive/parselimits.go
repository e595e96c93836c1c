package archive

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
)

// LimitForms says what ParseLimits accepts; error messages quote it.
const LimitForms = "name=value pairs separated by commas, such as bytes=1TB,inodes=20000000; " +
	"the names are bytes, inodes, ratio, ratiofloor, depth, namelen, pathlen, linkbytes, linksteps and decodermemory"

// ParseLimits reads limits as CORDON_EXTRACT_LIMITS spells them (CONTRACT §4):
// the names are those that refusals give. What is not named stays zero, and so
// has its default.
func ParseLimits(s string) (Limits, error) {
	var l Limits
	sizes := map[string]*int64{"bytes": &l.Bytes, "ratiofloor": &l.RatioFloor, "linkbytes": &l.LinkBytes, "decodermemory": &l.DecoderMemory}
	counts := map[string]*int64{"inodes": &l.Inodes, "ratio": &l.Ratio, "linksteps": &l.LinkSteps}
	lengths := map[string]*int{"depth": &l.Depth, "namelen": &l.NameLen, "pathlen": &l.PathLen}
	var seen []string
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		var n int64
		var err error
		switch {
		case slices.Contains(seen, name):
			err = fmt.Errorf("it is there twice")
		case sizes[name] != nil:
			n, err = parseBytes(value)
			*sizes[name] = n
		case counts[name] != nil:
			n, err = parseCount(value, math.MaxInt64)
			*counts[name] = n
		case lengths[name] != nil:
			n, err = parseCount(value, math.MaxInt32)
			*lengths[name] = int(n)
		default:
			err = fmt.Errorf("there is no limit of that name")
		}
		if err != nil {
			return Limits{}, fmt.Errorf("%q: %w; accepted: %s", strings.TrimSpace(pair), err, LimitForms)
		}
		seen = append(seen, name)
	}
	if l.DecoderMemory > maxDecoderMemory {
		return Limits{}, fmt.Errorf("decodermemory=%d is more than the %d bytes that decoders can be told; accepted: %s", l.DecoderMemory, int64(maxDecoderMemory), LimitForms)
	}
	return l, nil
}

// maxDecoderMemory is the largest dictionary that the xz format knows, in bytes.
const maxDecoderMemory = 1<<32 - 1

func parseCount(s string, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > most {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", s, most)
	}
	return n, nil
}

// parseBytes reads a size with its unit. A bare number is one of bytes here: the
// limits are said in bytes.
func parseBytes(s string) (int64, error) {
	if n, err := parseCount(s, math.MaxInt64); err == nil {
		return n, nil
	}
	size, err := cordon.ParseSize(s)
	n := size.Of(0) // a share of the disk is of none
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return n, nil
}
