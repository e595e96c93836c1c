package workspace

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// sparing opens a cache with one entry that nobody holds, and that has an object
// beside its tree.
func sparing(t *testing.T) (*Cache, *record) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: 4}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Write([]byte("data"))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c, id := openWithin(t, archive.String())
	idleEntry(t, c, id)
	records, _, err := c.records()
	if err != nil || len(records) != 1 || !records[0].spareObject() {
		t.Fatalf("records = %+v, %v", records, err)
	}
	return c, records[0]
}

func TestVictims(t *testing.T) {
	c, r := sparing(t)
	all := r.size()
	for _, tc := range []struct {
		name    string
		least   amount
		entries int
		ok      bool
	}{
		{"its object", amount{r.Object, 1}, 1, true},
		{"all of it", all, 1, true},
		{"more bytes than it has", amount{all.bytes + 1, 1}, 1, false},
		{"more inodes than it has", amount{1, all.inodes + 1}, 1, false},
	} {
		objects, entries, ok, err := c.victims([]*record{r}, tc.least)
		if len(objects) != 1 || len(entries) != tc.entries || ok != tc.ok || err != nil {
			t.Errorf("%s: %d objects, %d entries, %v, %v", tc.name, len(objects), len(entries), ok, err)
		}
	}
}

// What can be had by fewer may turn out to be in use: the others stand behind.
func TestOthersStandBehindTheVictims(t *testing.T) {
	c, r := sparing(t)
	younger := *r
	younger.lastUsed = r.lastUsed.Add(1)
	_, entries, ok, err := c.victims([]*record{&younger, r}, amount{r.Object, 1})
	if len(entries) != 2 || entries[0] != r || !ok || err != nil {
		t.Errorf("%+v, %v, %v", entries, ok, err)
	}
}

// A full disk may have no room to write down that an object is gone: it is freed
// all the same, and once.
func TestWhatIsInTheTrashIsFreedWhateverTheRecordSays(t *testing.T) {
	c, r := sparing(t)
	if err := mounts.BindReadOnly(c.root(), recordsDir); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	defer func() {
		if err := mounts.Unmount(c.root(), recordsDir); err != nil {
			t.Error(err)
		}
	}()
	object := amount{r.Object, 1}
	for _, want := range []amount{object, {}} {
		if freed := c.evictObject(r, ForUser, "test"); freed != want {
			t.Errorf("freed %+v, want %+v", freed, want)
		}
	}
}
