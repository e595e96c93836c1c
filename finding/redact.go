package finding

import "unicode/utf8"

// Mask stands for what was taken out.
const Mask = "****"

// Bounds of what Redact shows: four characters tell a key's kind ("AKIA",
// "ghp_") to its owner, and of a secret of 24 characters or more they leave at
// least 20 to guess.
const (
	redactShown = 4
	redactMin   = 24
)

// Redact returns what may be shown of a secret: its first four characters and a
// mask if it is long, the mask alone if it is not. The mask does not tell the
// length.
func Redact(secret string) string {
	if utf8.RuneCountInString(secret) < redactMin {
		return Mask
	}
	n := 0
	for i := range secret {
		if n == redactShown {
			return secret[:i] + Mask
		}
		n++
	}
	return Mask
}
