package corpus

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/target"
)

const (
	packEnd   = ".tar.zst"
	mergedEnd = ".merged" + packEnd
	usedName  = "used"
	timeForm  = "20060102T150405.000Z" // sorts as the times do

	packType = "application/zstd"
)

// pack is one pack in the store.
type pack struct {
	key, name string
	merged    bool
	inputs    int
	size      int64
	modified  time.Time // by the store's clock: those of the hosts may differ
}

// newName returns a name that no other pack has.
func newName(now time.Time, inputs int, merged bool) string {
	end := packEnd
	if merged {
		end = mergedEnd
	}
	return fmt.Sprintf("%s-%s-%d%s", now.UTC().Format(timeForm), rand.Text(), inputs, end)
}

// parsePack reads the name of a blob; one that is no pack is passed over.
func parsePack(info target.BlobInfo) (pack, bool) {
	p := pack{key: info.Key, name: path.Base(info.Key), size: info.Size, modified: info.Modified}
	rest, ok := strings.CutSuffix(p.name, mergedEnd)
	if p.merged = ok; !ok {
		rest, ok = strings.CutSuffix(p.name, packEnd)
	}
	parts := strings.Split(rest, "-")
	if !ok || len(parts) != 3 {
		return pack{}, false
	}
	_, err := time.Parse(timeForm, parts[0])
	n, nerr := strconv.ParseUint(parts[2], 10, 31)
	p.inputs = int(n)
	return p, err == nil && nerr == nil
}

// newestFirst orders packs.
func newestFirst(a, b pack) int {
	return cmp.Or(b.modified.Compare(a.modified), strings.Compare(b.name, a.name))
}
