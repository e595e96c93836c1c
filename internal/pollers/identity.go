// Package pollers finds out who polls a task queue, and which of them do not belong
// together: Temporal hands a task to whichever worker asks first, so that all who poll
// a queue must know the same activities and the same workflows (CONTRACT §3).
package pollers

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/internal/config"
)

// Identity is how a worker of Cordon names itself to Temporal. It tells other workers,
// and people who look at a queue, what the worker answers.
type Identity struct {
	Version    string // Cordon's own
	Serve      config.Serve
	Activities string // Digest of the activities' names
	Workflows  string // Digest of the workflows' names
	Host       string // the id of the cache that it works on; "" where it does not say
	Process    string // which process it is, as Temporal's SDKs say it by default: pid@machine
}

// None is the digest of nothing: such a worker does not poll for that.
const None = "none"

// Digest tells two sets of names apart, whatever their order.
func Digest(names []string) string {
	if len(names) == 0 {
		return None
	}
	names = slices.Clone(names)
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(names), "\n")))
	return hex.EncodeToString(sum[:4]) // a chance of 1 in 10⁹ that a difference is missed
}

// ThisProcess is the Process of an Identity.
func ThisProcess() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it is for people
	}
	return fmt.Sprintf("%d@%s", os.Getpid(), host)
}

// String renders the identity:
// "cordon/1.2.3 serve=all activities=0a1b2c3d workflows=none host=5e6f 42@machine".
func (id Identity) String() string {
	version := strings.ReplaceAll(cmp.Or(id.Version, "(devel)"), " ", "-")
	host := ""
	if id.Host != "" {
		host = "host=" + id.Host + " "
	}
	return fmt.Sprintf("cordon/%s serve=%s activities=%s workflows=%s %s%s", version, id.Serve, id.Activities, id.Workflows, host, id.Process)
}

// form is what String makes. A version that knows of no host reads it as part of the process.
var form = regexp.MustCompile(`^cordon/(\S+) serve=([a-z]+) activities=([0-9a-f]{8}|none) workflows=([0-9a-f]{8}|none) (?:host=(\S+) )?(.*)$`)

// Parse reads what String made. ok is false where the text is another worker's.
func Parse(text string) (id Identity, ok bool) {
	m := form.FindStringSubmatch(text)
	if m == nil {
		return Identity{}, false
	}
	return Identity{Version: m[1], Serve: config.Serve(m[2]), Activities: m[3], Workflows: m[4], Host: m[5], Process: m[6]}, true
}
