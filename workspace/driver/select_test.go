package driver_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace/driver"
)

func TestParseSetting(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing is auto", "", "auto"},
		{"blanks are nothing", " \t", "auto"},
		{"auto", "auto", "auto"},
		{"auto cannot be missing, so it may be required", "auto!", "auto"},
		{"one driver", "overlay", "overlay"},
		{"one driver and no other", "overlay!", "overlay!"},
		{"letters of any size", " Overlay! ", "overlay!"},
		{"several in the order to try", "snapshot, reflink", "snapshot,reflink"},
		{"several and no other", "snapshot,reflink!", "snapshot,reflink!"},
		{"a name that comes twice counts once", "copy,reflink,copy", "copy,reflink"},
		{"the setting's own form is read back", "copy,overlay!", "copy,overlay!"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set, err := driver.ParseSetting(tc.text)
			if err != nil || set.String() != tc.want {
				t.Errorf("ParseSetting(%q) = %s, %v; want %s", tc.text, set, err, tc.want)
			}
			if again, err := driver.ParseSetting(set.String()); err != nil || again.String() != tc.want {
				t.Errorf("ParseSetting(%q) = %s, %v", set, again, err)
			}
		})
	}
	for _, text := range []string{"!", "overlayfs", "overlay!,copy", "overlay,", ",", "auto,copy", "overlay!!", "copy reflink", "\x00"} {
		t.Run("refused with the accepted forms: "+text, func(t *testing.T) {
			set, err := driver.ParseSetting(text)
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(cordon.FixOf(err), "overlay!") {
				t.Errorf("ParseSetting(%q) = %s, %v", text, set, err)
			}
		})
	}
}

func FuzzParseSetting(f *testing.F) {
	for _, s := range []string{"", "auto", "overlay!", "copy, reflink", "overlay,copy!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		set, err := driver.ParseSetting(s)
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("error without its kind: %v", err)
			}
			return
		}
		if again, err := driver.ParseSetting(set.String()); err != nil || again.String() != set.String() {
			t.Errorf("%q is %s, which is %s, %v", s, set, again, err)
		}
	})
}

// named stands for a driver that works.
type named struct {
	driver.Driver
	name string
}

func (n named) Name() string { return n.name }

func TestChoose(t *testing.T) {
	probed := func(works ...string) []driver.Probed {
		var all []driver.Probed
		for _, n := range driver.Names {
			p := driver.Probed{Name: n, Driver: named{name: n}}
			if !slices.Contains(works, n) {
				p.Driver, p.Err = nil, &cordon.Error{Op: "mount", Err: errors.New("no " + n + " here"), Fix: "get some " + n}
			}
			all = append(all, p)
		}
		return all
	}
	for _, tc := range []struct {
		name, setting string
		works         []string
		want          []string
		why           []string // the drivers that the reason names
	}{
		{"auto takes the best that works, and gives no reason if that is the best of all", "auto", []string{"overlay", "snapshot", "reflink", "copy"},
			[]string{"overlay", "snapshot", "reflink", "copy"}, nil},
		{"auto says why each better one does not work", "auto", []string{"reflink", "copy"}, []string{"reflink", "copy"}, []string{"overlay", "snapshot"}},
		{"what is worse than the one used needs no reason", "auto", []string{"overlay", "copy"}, []string{"overlay", "copy"}, nil},
		{"everywhere there is copy", "auto", []string{"copy"}, []string{"copy"}, []string{"overlay", "snapshot", "reflink"}},
		{"one that is asked for comes first, the others follow", "reflink", []string{"overlay", "snapshot", "reflink", "copy"},
			[]string{"reflink", "overlay", "snapshot", "copy"}, nil},
		{"one that is asked for and missing gives way, with the reason", "snapshot", []string{"overlay", "copy"}, []string{"overlay", "copy"}, []string{"snapshot"}},
		{"one that is required and works stands alone", "copy!", []string{"overlay", "copy"}, []string{"copy"}, nil},
		{"of several required the first that works", "snapshot,reflink!", []string{"overlay", "reflink", "copy"}, []string{"reflink"}, []string{"snapshot"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set, err := driver.ParseSetting(tc.setting)
			if err != nil {
				t.Fatal(err)
			}
			usable, why, err := driver.Choose(set, probed(tc.works...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range usable {
				got = append(got, d.Name())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("usable = %v, want %v", got, tc.want)
			}
			if (why != nil) != (len(tc.why) > 0) {
				t.Errorf("the reason is %v", why)
			}
			for _, n := range driver.Names {
				if why != nil && strings.Contains(why.Error(), "no "+n+" here") != slices.Contains(tc.why, n) {
					t.Errorf("reasons are wanted for %v, given: %v", tc.why, why)
				}
			}
		})
	}

	t.Run("if nothing that is required works, the error says why and what to do", func(t *testing.T) {
		set, err := driver.ParseSetting("overlay,snapshot!")
		if err != nil {
			t.Fatal(err)
		}
		usable, _, err := driver.Choose(set, probed("reflink", "copy"))
		if usable != nil || cordon.KindOf(err) != cordon.InvalidArgument {
			t.Fatalf("usable = %v, error = %v", usable, err)
		}
		for _, part := range []string{"CACHE_COW_DRIVER=overlay,snapshot!", "no overlay here", "no snapshot here"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not have %q: %v", part, err)
			}
		}
		if cordon.FixOf(err) == "" {
			t.Error("nothing is said about what to do")
		}
	})
}
