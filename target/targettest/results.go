package targettest

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var results = []behaviour{
	{"a result is read back as it was stored, each format by itself", func(t *testing.T, h Harness) {
		for format, body := range map[string]string{"json": "{\n  \"a\": 1\n}", "sarif": "{}"} {
			u, err := h.Store.PutResult(t.Context(), "secret_detection-01234567", format, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(u, "/secret_detection-01234567/results."+format) {
				t.Errorf("the URL is %s", u)
			}
		}
		for format, body := range map[string]string{"json": "{\n  \"a\": 1\n}", "sarif": "{}"} {
			got, err := h.Store.GetResult(t.Context(), "secret_detection-01234567", format)
			if err != nil || string(got) != body {
				t.Errorf("%s: GetResult = %q, %v", format, got, err)
			}
		}
	}},
	{"a format that is not known means json", func(t *testing.T, h Harness) {
		u, err := h.Store.PutResult(t.Context(), "wf", "xml", []byte("1"))
		if err != nil || !strings.HasSuffix(u, "/results.json") {
			t.Errorf("PutResult = %q, %v", u, err)
		}
		if got, err := h.Store.GetResult(t.Context(), "wf", "json"); err != nil || string(got) != "1" {
			t.Errorf("GetResult = %q, %v", got, err)
		}
	}},
	{"a later result replaces the earlier one, a large one too", func(t *testing.T, h Harness) {
		large := content(1, big)
		for _, body := range [][]byte{large, []byte("{}"), nil} {
			if _, err := h.Store.PutResult(t.Context(), "wf", "json", body); err != nil {
				t.Fatal(err)
			}
			got, err := h.Store.GetResult(t.Context(), "wf", "json")
			if err != nil {
				t.Fatal(err)
			}
			wantBytes(t, got, body)
		}
	}},
	{"workflow ids may hold anything and never meet", func(t *testing.T, h Harness) {
		ids := []string{"..", "../targets/a", "team/wf", "team%2Fwf", "a b", "größe", "\xff", "line\nbreak", "?x#y", strings.Repeat("long", 200), strings.Repeat("long", 201)}
		for _, wf := range ids {
			u, err := h.Store.PutResult(t.Context(), wf, "json", []byte(wf))
			if err != nil {
				t.Errorf("%.40q: %v", wf, err)
				continue
			}
			if p, err := url.Parse(u); err != nil || p.Scheme == "" || p.RawQuery != "" || p.Fragment != "" || !strings.HasSuffix(p.Path, "/results.json") {
				t.Errorf("%.40q: the URL %s does not parse to a path: %v", wf, u, err)
			}
		}
		for _, wf := range ids {
			if got, err := h.Store.GetResult(t.Context(), wf, "json"); err != nil || string(got) != wf {
				t.Errorf("%.40q: GetResult = %.40q, %v", wf, got, err)
			}
		}
		if s := h.Stored(t); len(s) != 0 {
			t.Errorf("results have got among the targets: %q", s)
		}
	}},
	{"a result that was never put is TargetNotFound", func(t *testing.T, h Harness) {
		_, err := h.Store.GetResult(t.Context(), "wf", "json")
		wantKind(t, err, cordon.TargetNotFound)
	}},
	{"a result of no workflow is InvalidArgument", func(t *testing.T, h Harness) {
		_, err := h.Store.PutResult(t.Context(), "", "json", []byte("{}"))
		wantKind(t, err, cordon.InvalidArgument)
		_, err = h.Store.GetResult(t.Context(), "", "json")
		wantKind(t, err, cordon.InvalidArgument)
	}},
}

// lister returns h's store as one whose results can be listed.
func lister(t *testing.T, s Store) target.ResultLister {
	t.Helper()
	l, ok := s.(target.ResultLister)
	if !ok {
		t.Skip("its results cannot be listed")
	}
	return l
}

func listResults(t *testing.T, l target.ResultLister) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for info, err := range l.ListResults(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(info.Modified).Abs() > time.Hour {
			t.Errorf("ListResults has %+v", info)
		}
		all[info.Key] = info.Size
	}
	return all
}

var listingResults = []behaviour{
	{"results are listed and removed, each format by itself", func(t *testing.T, h Harness) {
		l := lister(t, h.Store)
		for _, wf := range []string{"wf-1", "team/wf", "größe"} {
			for _, format := range []string{"json", "sarif"} {
				if _, err := h.Store.PutResult(t.Context(), wf, format, []byte(wf)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := listResults(t, l); len(got) != 6 || got["wf-1/results.json"] != 4 || got["team%2Fwf/results.sarif"] != 7 {
			t.Errorf("they are %v", got)
		}
		for range 2 {
			if err := l.RemoveResult(t.Context(), "wf-1/results.json"); err != nil {
				t.Error(err)
			}
		}
		_, err := h.Store.GetResult(t.Context(), "wf-1", "json")
		wantKind(t, err, cordon.TargetNotFound)
		if got := listResults(t, l); len(got) != 5 {
			t.Errorf("they are %v", got)
		}
	}},
	{"where there is no place for results none are listed, and what is no result is not removed", func(t *testing.T, h Harness) {
		l := lister(t, h.Bare)
		if got := listResults(t, l); len(got) != 0 {
			t.Errorf("they are %v", got)
		}
		if err := l.RemoveResult(t.Context(), "wf/results.json"); err != nil {
			t.Error(err)
		}
		for _, key := range []string{"", "results.json", "../results.json", "a/b/results.json", "/a/results.json", "a/target", "a/results.txt", "a/../results.json", "./results.json", "a//results.json"} {
			wantKind(t, l.RemoveResult(t.Context(), key), cordon.InvalidArgument)
		}
	}},
}
