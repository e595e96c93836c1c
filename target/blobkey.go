package target

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
)

// Limits of a blob's key. A file system ends a name at 255 bytes, and S3 a key
// at 1024.
const (
	maxBlobParts = 8
	maxBlobPart  = 200  // bytes of a component
	maxBlobKey   = 1000 // bytes in all

	// maxBlobText is the longest spelling of a text, in bytes, that is used as it is.
	// Longer ones end in a digest and have more bytes than this, so that the two can
	// never meet; with it they have 200 at most.
	maxBlobText = maxBlobPart - 1 - 2*sha256.Size
)

// CheckBlobKey returns an InvalidArgument error unless key is one of a blob.
func CheckBlobKey(key string) error {
	bad := func(why string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "use the blob key", Name: fmt.Sprintf("%.80q", key), Err: errors.New(why), Fix: "spell each of its parts with target.BlobName"}
	}
	if len(key) > maxBlobKey {
		return bad(fmt.Sprintf("it has more than %d bytes", maxBlobKey))
	}
	if strings.Count(key, "/") >= maxBlobParts {
		return bad(fmt.Sprintf("it has more than %d components", maxBlobParts))
	}
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return bad("a component is empty")
		case len(part) > maxBlobPart:
			return bad(fmt.Sprintf("a component has more than %d bytes", maxBlobPart))
		case part[0] == '.':
			return bad("a component begins with a dot")
		}
		for _, c := range []byte(part) {
			if !plainInBlob(c) && c != '%' {
				return bad(fmt.Sprintf("it has a %q", c))
			}
		}
	}
	return nil
}

// CheckBlobPrefix returns an InvalidArgument error unless prefix is one that
// ListBlobs takes.
func CheckBlobPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckBlobKey(prefix)
}

// BlobName spells any text as one component of a blob's key: letters, digits and
// the signs ". _ - ~ + =" stand for themselves, but for a dot at the beginning;
// all other bytes are percent-encoded. What is then longer than 135 bytes keeps
// its beginning and ends in '~' and the SHA-256 of the text. Different texts have
// different names. The empty text is "%".
func BlobName(text string) string {
	if text == "" {
		return "%"
	}
	var b strings.Builder
	for i, c := range []byte(text) {
		if plainInBlob(c) && (c != '.' || i > 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
		if b.Len() > maxBlobText {
			sum := sha256.Sum256([]byte(text))
			return b.String()[:maxBlobText] + "~" + hex.EncodeToString(sum[:])
		}
	}
	return b.String()
}

// BlobText returns the text that BlobName spells as name, and whether it is known:
// of one that ends in a digest, and of what BlobName never returns, it is not.
func BlobText(name string) (text string, ok bool) {
	if len(name) > maxBlobText {
		return "", false
	}
	var b strings.Builder
	for rest := name; rest != "" && name != "%"; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			break
		}
		c, err := hex.DecodeString(after[:min(2, len(after))])
		if err != nil || len(c) != 1 {
			return "", false
		}
		b.WriteByte(c[0])
		rest = after[2:]
	}
	return b.String(), BlobName(b.String()) == name
}

// plainInBlob reports whether c stands for itself in a component.
func plainInBlob(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("._-~+=", c) >= 0
}
