package finding

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// fingerprintVersion is hashed into every fingerprint. It changes when the
// recipe does: then old baselines and ignore files match nothing, rather than
// something else.
const fingerprintVersion = "cordon-finding/1"

// FingerprintLen is the length of a fingerprint in hexadecimal digits: 128 bits,
// enough that no two findings of any project meet by chance.
const FingerprintLen = 32

// Seal gives each finding its fingerprint and id, makes Metadata non-nil, and
// sorts fs, in place; it returns fs.
//
// A fingerprint is a hash of the rule, the file's path in the workspace, the
// finding's Key with runs of white space made one space, and, where those repeat
// in one file, the ordinal among them from top to bottom. So it does not change
// when lines move, when code around it is reindented, or when the workspace lies
// elsewhere. It does change when the file is renamed.
//
// It holds no secret, not even a hash of one: in a Key, secrets have been replaced by
// a constant. The price is that a secret exchanged for another one in the same
// place keeps its fingerprint.
//
// All findings of one rule must be sealed in one call, or their ordinals repeat.
func Seal(fs []Finding) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.FilePath, b.FilePath),
			cmp.Compare(a.LineStart, b.LineStart),
			strings.Compare(a.RuleID, b.RuleID),
			strings.Compare(a.Key, b.Key),
		)
	})
	type place struct{ rule, path, key string }
	seen := make(map[place]int)
	for i := range fs {
		f := &fs[i]
		p := place{f.RuleID, f.FilePath, strings.Join(strings.Fields(f.Key), " ")}
		ordinal := seen[p]
		seen[p]++
		h := sha256.New()
		// Lengths go first: no choice of rule, path and key can imitate another one.
		fmt.Fprintf(h, "%s\n%d %d %d %d\n%s\n%s\n%s", fingerprintVersion,
			len(p.rule), len(p.path), len(p.key), ordinal, p.rule, p.path, p.key)
		f.Fingerprint = hex.EncodeToString(h.Sum(nil))[:FingerprintLen]
		f.ID = f.Fingerprint
		if f.Metadata == nil {
			f.Metadata = map[string]any{}
		}
	}
	Sort(fs)
	return fs
}

// IsFingerprint reports whether s could be a fingerprint.
func IsFingerprint(s string) bool {
	if len(s) != FingerprintLen {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f')
	})
}
