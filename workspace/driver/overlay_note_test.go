package driver

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/fsinfo"
)

func FuzzParseNote(f *testing.F) {
	good, err := json.Marshal(note{Base: fsinfo.FileID{Inode: 1, Born: 2}, BasePath: "/b", Boot: "x", Namespace: "mnt:[1]", Options: "index=on"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"base":{"inode":0},"boot":"x"}`))
	f.Add([]byte(`{"base":null,"boot":1}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNote(b)
		if err != nil {
			return
		}
		if n.Boot == "" || n.Base.Inode == 0 {
			t.Fatalf("%q was taken for a note: %+v", b, n)
		}
		again, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := parseNote(again); err != nil || m != n {
			t.Errorf("%+v became %+v, %v", n, m, err)
		}
	})
}

func TestANoteThatIsNoSmallFileIsNoNote(t *testing.T) {
	for what, put := range map[string]func(name string) error{
		"nothing":           func(string) error { return nil },
		"an empty file":     func(n string) error { return os.WriteFile(n, nil, 0o644) },
		"half a note":       func(n string) error { return os.WriteFile(n, []byte(`{"base":{"inode":1`), 0o644) },
		"a FIFO":            func(n string) error { return unix.Mkfifo(n, 0o644) },
		"a directory":       func(n string) error { return os.Mkdir(n, 0o755) },
		"a link to nowhere": func(n string) error { return os.Symlink("nowhere", n) },
		"a large file":      func(n string) error { return os.WriteFile(n, []byte(strings.Repeat(" ", maxNote+1)), 0o644) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := os.MkdirAll(dir+"/.overlay", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := put(dir + "/.overlay/view.json"); err != nil {
				t.Fatal(err)
			}
			if _, err := readNote(root); !errors.Is(err, ErrBroken) {
				t.Errorf("%v, want ErrBroken", err)
			}
		})
	}
}
