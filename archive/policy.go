package archive

import (
	"fmt"

	"github.com/cordonlabs/cordon"
)

// Policy says whether a target is to be extracted: metadata.yaml's `extract`
// (CONTRACT §5). The zero Policy means Auto.
type Policy string

const (
	// Auto extracts tar archives, compressed or not, and zip archives, and
	// leaves everything else a file: also what merely happens to be a zip, such
	// as an APK, a JAR or an office document.
	Auto Policy = "auto"
	// Tar extracts every archive, zip-based file types included, and rejects
	// what is not an archive.
	Tar Policy = "tar"
	// Never leaves every target a file.
	Never Policy = "never"
)

// ParsePolicy reads a policy. The empty string means Auto; anything else that
// is not a policy is an InvalidArgument error.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(s); p {
	case "":
		return Auto, nil
	case Auto, Tar, Never:
		return p, nil
	}
	return "", &cordon.Error{
		Kind: cordon.InvalidArgument,
		Op:   "check extract",
		Name: quote(s),
		Err:  fmt.Errorf("extract is not a known policy"),
		Fix:  "use auto, tar or never",
	}
}
