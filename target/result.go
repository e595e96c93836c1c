package target

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cordonlabs/cordon"
)

// maxResultDir is the longest spelling of a workflow id, in bytes, that is used
// as it is. Longer ones end in a digest and have more bytes than this, so the
// two can never meet. File systems end a name at 255.
const maxResultDir = 184

// ResultKey returns the key of a workflow's result below the bucket or
// directory for results: "{workflow id}/results.{json|sarif}" (CONTRACT §5).
//
// A workflow id may hold anything, the key must not: letters, digits, other
// printable ASCII and well-formed UTF-8 stand for themselves, so that the ids
// people use stay as they are. A '/', a '\', a '%', a leading dot, control
// characters and bytes that are not UTF-8 are percent-encoded. What is then
// longer than 184 bytes keeps its beginning and ends in '~' and the SHA-256 of
// the id. Different ids have different keys. An empty id is InvalidArgument.
func ResultKey(workflowID, format string) (string, error) {
	if workflowID == "" {
		return "", &cordon.Error{
			Kind: cordon.InvalidArgument,
			Op:   "name the result",
			Err:  errors.New("workflow_id is empty"),
			Fix:  "give the id of the workflow whose results these are",
		}
	}
	var b strings.Builder
	for i := 0; i < len(workflowID); {
		r, n := utf8.DecodeRuneInString(workflowID[i:])
		notUTF8 := r == utf8.RuneError && n == 1
		if notUTF8 || r == '/' || r == '\\' || r == '%' || r == '.' && i == 0 || unicode.IsControl(r) {
			for _, c := range []byte(workflowID[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(workflowID[i : i+n])
		}
		i += n
	}
	dir := b.String()
	if len(dir) > maxResultDir {
		sum := sha256.Sum256([]byte(workflowID))
		dir = strings.ToValidUTF8(dir[:maxResultDir], "") + "~" + hex.EncodeToString(sum[:])
	}
	return dir + "/results." + ResultFormat(format), nil
}

// ResultFormat returns the format that a result is stored in: "sarif" if that
// is what was asked for, else "json" (CONTRACT §1.5).
func ResultFormat(format string) string {
	if format == "sarif" {
		return "sarif"
	}
	return "json"
}
