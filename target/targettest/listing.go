package targettest

import (
	"slices"
	"testing"

	"github.com/cordonlabs/cordon/target"
)

func list(t testing.TB, s target.Store) (infos []target.Info) {
	t.Helper()
	for info, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		infos = append(infos, info)
	}
	return infos
}

var listing = []behaviour{
	{"an empty store lists nothing", func(t *testing.T, h Harness) {
		if got := list(t, h.Store); len(got) != 0 {
			t.Errorf("List = %+v", got)
		}
	}},
	{"List yields every target in the order of its id, as Stat describes it", func(t *testing.T, h Harness) {
		names := []string{"a", "a b", "a!", "a-b", "a.b", "a0", "ab", "é"} // some of these sort before a slash, some after
		for i, name := range names {
			put(t, h.Store, name, content(uint64(i), 10+i))
		}
		slices.Sort(names)
		infos := list(t, h.Store)
		if len(infos) != len(names) {
			t.Fatalf("List has %d targets, want %d: %+v", len(infos), len(names), infos)
		}
		for i, info := range infos {
			if info.ID.String() != names[i] {
				t.Errorf("number %d is %q, want %q", i, info.ID, names[i])
				continue
			}
			sameInfo(t, "List", info, stat(t, h.Store, names[i]))
			if info.SHA256 != "" && info.SHA256 != stat(t, h.Store, names[i]).SHA256 {
				t.Errorf("%s: the listed digest is another one than the object's", info.ID)
			}
		}
	}},
	{"List passes over what is not a target", func(t *testing.T, h Harness) {
		h.Plant(t, "README.txt", []byte("not a target"))
		h.Plant(t, "shared/target", []byte("a reserved name"))
		h.Plant(t, ".hidden/target", []byte("begins with a dot"))
		h.Plant(t, "half/other", []byte("an id without its object"))
		h.Plant(t, "deep/er/target", []byte("too deep"))
		put(t, h.Store, "a", content(1, 10))
		if got := list(t, h.Store); len(got) != 1 || got[0].ID != id(t, "a") {
			t.Errorf("List = %+v", got)
		}
	}},
	{"whoever has seen enough of a list may stop", func(t *testing.T, h Harness) {
		for _, name := range []string{"a", "b", "c"} {
			put(t, h.Store, name, content(1, 10))
		}
		n := 0
		for range h.Store.List(t.Context()) {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			t.Errorf("saw %d", n)
		}
	}},
}
