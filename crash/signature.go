package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/finding"
)

// signatureVersion is hashed into every signature. It changes when the recipe does:
// then old bugs are found anew, rather than mistaken for others.
const signatureVersion = "cordon-crash/1"

// SignatureLen is the length of a signature in hexadecimal digits: 64 bits, for the
// bugs of one project are counted in hundreds.
const SignatureLen = 16

// topFrames is how many functions tell one bug from another. One alone is often a
// helper that everybody calls; many would make a bug of each way to it.
const topFrames = 3

// Signature tells one bug from another: inputs whose signatures are the same crash for
// one reason, as far as one can tell. It is the beginning of the SHA-256 of
//
//   - the lineage, the harness and the report's Type;
//   - the names of the innermost three functions of the project, by which it survives
//     edits that move lines, another build and another place of the workspace. Frames
//     of the runtime do not count. A function that the log has no name for counts by
//     its module and offset, which the next build changes; a place without a function
//     by its file and what was said there, numbers and quoted parts left out;
//   - where two accesses race, the innermost function of each;
//   - where a stack is exhausted, the functions that recur, for it may run out in any of
//     them; where time or memory is, the outermost three instead, for it may end in
//     whatever those call;
//   - where there is no stack, the input's own SHA-256: each is a bug of its own.
//
// A failed test has the frame of its harness alone, so what it said counts too.
func Signature(lineage, harness string, r Report, inputSHA256 string) string {
	return Fingerprint(lineage, harness, r, inputSHA256)[:SignatureLen]
}

// Fingerprint is the Signature and the digits behind it: as many as a
// finding.Finding's fingerprint has.
func Fingerprint(lineage, harness string, r Report, inputSHA256 string) string {
	parts := append([]string{lineage, harness, r.Type}, frameKeys(r)...)
	if len(parts) == 3 {
		parts = append(parts, "input", inputSHA256)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n", signatureVersion, len(parts))
	for _, s := range parts {
		fmt.Fprintf(h, "%d %s\n", len(s), s) // lengths go first: no part can imitate another
	}
	return hex.EncodeToString(h.Sum(nil))[:finding.FingerprintLen]
}

// IsSignature reports whether s could be a signature.
func IsSignature(s string) bool { return len(s) == SignatureLen && isHex(s) }

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f') })
}

func frameKeys(r Report) []string {
	stack := keys(r.Frames)
	all := slices.Compact(slices.Clone(stack))
	top := all[:min(len(all), topFrames)]
	switch {
	case len(all) == 0:
		return nil
	case r.Type == "data-race" && len(keys(r.Other)) > 0:
		top = []string{all[0], keys(r.Other)[0]}
	case r.Type == "stack-overflow" || r.Type == "stack-overflow-write" || r.Type == "stack-overflow-read" || r.Type == "uncaught-RecursionError":
		if again := recurring(stack); len(again) > 0 {
			top = again[:min(len(again), topFrames)]
		}
	case r.Type == "timeout" || r.Type == "out-of-memory":
		top = all[max(0, len(all)-topFrames):]
	}
	if f := project(r.Frames); f[0].Func == "" && f[0].Module == "" || r.Type == "test-failure" {
		top = append(slices.Clone(top), said(r.Detail))
	}
	return top
}

// keys is what a signature is made of, of the frames of the project. A function that
// calls itself is there twice in a stack, see mark.
func keys(frames []Frame) (ks []string) {
	for _, f := range project(frames) {
		switch {
		case f.Func != "":
			ks = append(ks, f.Func)
		case f.Module != "":
			ks = append(ks, f.Module)
		default:
			ks = append(ks, f.File)
		}
	}
	return ks
}

// recurring returns the functions that a stack has more than once, sorted.
func recurring(all []string) (again []string) {
	seen := map[string]int{}
	for _, k := range all {
		if seen[k]++; seen[k] == 2 {
			again = append(again, k)
		}
	}
	slices.Sort(again)
	return again
}

var (
	quoted  = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`")
	numbers = regexp.MustCompile(`0x[0-9a-fA-F]+|\d+`)
)

// said is a message without what the input has put into it: numbers, and what is quoted.
func said(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return numbers.ReplaceAllString(quoted.ReplaceAllString(line, "…"), "#")
}
