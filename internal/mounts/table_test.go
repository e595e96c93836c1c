package mounts

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		want       Mount
	}{
		{"an ordinary line", "36 35 98:0 /mnt1 /mnt2 rw,noatime - ext3 /dev/root rw,errors=continue",
			Mount{ID: 36, Parent: 35, Root: "/mnt1", Point: "/mnt2", FSType: "ext3", Source: "/dev/root", Options: "rw,noatime", SuperOptions: "rw,errors=continue"}},
		{"a mount that receives and passes on", "1 2 0:1 / /a rw shared:7 master:3 propagate_from:2 - tmpfs none rw",
			Mount{ID: 1, Parent: 2, Root: "/", Point: "/a", FSType: "tmpfs", Source: "none", Options: "rw", SuperOptions: "rw", Shared: 7, Master: 3}},
		{"an unbindable mount", "1 2 0:1 / /a rw unbindable - tmpfs none rw",
			Mount{ID: 1, Parent: 2, Root: "/", Point: "/a", FSType: "tmpfs", Source: "none", Options: "rw", SuperOptions: "rw", Unbindable: true}},
		{"an option of a newer kernel is passed over", "1 2 0:1 / /a rw novelty:x - tmpfs none rw",
			Mount{ID: 1, Parent: 2, Root: "/", Point: "/a", FSType: "tmpfs", Source: "none", Options: "rw", SuperOptions: "rw"}},
		{"white space, a backslash and a number sign in names", `1 2 0:1 /r\134040 /a\040b\011c\012d\043 rw - fuse.x my\040fs rw`,
			Mount{ID: 1, Parent: 2, Root: `/r\040`, Point: "/a b\tc\nd#", FSType: "fuse.x", Source: "my fs", Options: "rw", SuperOptions: "rw"}},
		{"a directory called like the separator", `1 2 0:1 / /a\040-\040b rw - tmpfs none rw`,
			Mount{ID: 1, Parent: 2, Root: "/", Point: "/a - b", FSType: "tmpfs", Source: "none", Options: "rw", SuperOptions: "rw"}},
		{"a source without a name", "1 2 0:1 / /a rw - tmpfs  rw",
			Mount{ID: 1, Parent: 2, Root: "/", Point: "/a", FSType: "tmpfs", Options: "rw", SuperOptions: "rw"}},
		{"a file of a namespace that is mounted", "1 2 0:4 net:[4026532008] /run/netns/x rw - nsfs nsfs rw",
			Mount{ID: 1, Parent: 2, Root: "net:[4026532008]", Point: "/run/netns/x", FSType: "nsfs", Source: "nsfs", Options: "rw", SuperOptions: "rw"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parse([]byte(tc.line + "\n"))
			if err != nil || !reflect.DeepEqual(got, []Mount{tc.want}) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{"", "x", "a 2 0:1 / /a rw - tmpfs none rw", "1 b 0:1 / /a rw - tmpfs none rw",
		"1 2 0:1 / /a - tmpfs none rw", "1 2 0:1 / /a rw tmpfs none rw", "1 2 0:1 / /a rw - tmpfs none", "1 2 0:1 / /a rw shared:x - tmpfs none rw"} {
		if got, err := parse([]byte(line + "\n")); err == nil {
			t.Errorf("%q was read as %+v", line, got)
		}
	}
}

// escape does what the kernel does to names (seq_path, mangle).
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\n\\#", s[i]) >= 0 {
			fmt.Fprintf(&b, `\%03o`, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 - ext3 /dev/root rw\n"), "/a b\\040")
	f.Add([]byte("\n"), "/-\n-")
	f.Add([]byte(`1 2 0:1 / /a\0 rw - \777 \ rw`), "/\\")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		if all, err := parse(b); err == nil {
			below(all, "/")
		}
		if strings.ContainsRune(name, 0) {
			return // no name holds one
		}
		line := fmt.Sprintf("1 2 0:1 /%[1]s /%[1]s rw - tmpfs /%[1]s rw", escape(name))
		all, err := parse([]byte(line + "\n"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%q: %v, %v", line, all, err)
		}
		if m, want := all[0], "/"+name; m.Root != want || m.Point != want || m.Source != want {
			t.Errorf("%q was read as %+v", line, m)
		}
	})
}

func TestBelowListsAMountBeforeTheOneItIsMountedOn(t *testing.T) {
	all := []Mount{
		{ID: 9, Parent: 1, Point: "/"},
		{ID: 8, Parent: 9, Point: "/c"},
		{ID: 2, Parent: 7, Point: "/c/a/b"}, // older than what it was moved into
		{ID: 7, Parent: 8, Point: "/c/a"},
		{ID: 3, Parent: 2, Point: "/c/a/b"}, // on top
		{ID: 4, Parent: 9, Point: "/cd"},    // no child of /c
	}
	var got []int
	for _, m := range below(all, "/c") {
		got = append(got, m.ID)
	}
	if want := []int{3, 2, 7}; !reflect.DeepEqual(got, want) {
		t.Errorf("below /c: %v, want %v", got, want)
	}
	if n := len(below(all, "/")); n != 5 {
		t.Errorf("below the root: %d mounts, want 5", n)
	}
	circle := []Mount{{ID: 1, Parent: 2, Point: "/a"}, {ID: 2, Parent: 1, Point: "/b"}}
	if n := len(below(circle, "/")); n != 2 {
		t.Errorf("a table that goes in a circle: %d mounts, want 2", n)
	}
}

// Some file systems, 9p of virtual machines for one, do not escape the blanks in
// their options.
func TestParseBlanksInOptions(t *testing.T) {
	line := `544 25 0:61 / /host rw,noatime - 9p C:\134Program\040Files rw,dirsync,aname=drvfs;path=C:\Program Files\Tool;symlinkroot=/mnt/,access=client` + "\n"
	all, err := parse([]byte(line))
	if err != nil || len(all) != 1 || all[0].Source != `C:\Program Files` || !strings.HasSuffix(all[0].SuperOptions, "access=client") {
		t.Errorf("parsed %+v, %v", all, err)
	}
}
