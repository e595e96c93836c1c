package dashboard_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker/dashboard"
)

// Whatever a page shows, foreign text is text, nothing is inline, and the page may load its
// own files alone; its twin is JSON.
func TestEveryPageShowsHostileNamesAsText(t *testing.T) {
	s := newStand(t)
	for _, page := range s.fill() {
		w, body := s.fetch(http.MethodGet, page, nil)
		if w.StatusCode != http.StatusOK || !strings.HasPrefix(w.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %s, %s\n%s", page, w.Status, w.Header.Get("Content-Type"), body)
			continue
		}
		if found := couldAct(body); found != "" {
			t.Errorf("%s: something could act: %q", page, found)
		}
		if strings.Contains(body, "\u202e") {
			t.Errorf("%s: text is turned around", page)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		} {
			if got := w.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", page, name, got)
			}
		}
		twin := page
		if page == "/" {
			twin = "/overview"
		}
		var any map[string]any
		s.twin(twin, &any)
	}
}

// couldAct returns the first element of a page that runs something, loads something of
// others, or leads to where no page of Cordon's or Temporal's is; "" where there is none.
func couldAct(page string) string {
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			address := ""
			for _, a := range tag.Attr {
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
					return tag.String()
				case a.Key == "src", a.Key == "href", a.Key == "action", a.Key == "formaction":
					address = a.Val
				}
			}
			switch tag.Data {
			case "img", "style", "iframe", "object", "embed", "base":
				return tag.String()
			case "script":
				if !strings.HasPrefix(strings.TrimLeft(address, "./"), "assets/") {
					return tag.String()
				}
			}
			own := strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") || strings.HasPrefix(address, "#") || strings.HasPrefix(address, "http://temporal.test:8233/")
			if address != "" && !own {
				return tag.String()
			}
		}
	}
}

// A proxy may have the pages at a path of its own: whatever they lead to is below that, and
// there, also where a form has led, and from a page that is none.
func TestPagesStayBelowThePathWhereAProxyHasThem(t *testing.T) {
	s := newStand(t)
	paths := append(s.fill(), "/nowhere/at/all")
	key := s.get(s.put("pinned", "x"), "r9", cordon.Isolated)
	w, _ := s.fetch(http.MethodPost, "/entries/"+key+"/pin", url.Values{"reason": {"to stay"}}, "Authorization", "Bearer "+token)
	to, err := w.Location()
	if err != nil || w.StatusCode != http.StatusSeeOther || to.Path != mount+"/entries/"+key || to.Query().Get("did") != "pinned" {
		t.Errorf("the form leads to %v: %s, %v", to, w.Status, err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		base, err := url.Parse(mount + path)
		if err != nil {
			t.Fatal(err)
		}
		_, body := s.fetch(http.MethodGet, path, nil, "Authorization", "Bearer "+token)
		z, addresses := html.NewTokenizer(strings.NewReader(body)), 0
		for z.Next() != html.ErrorToken {
			tag := z.Token()
			for _, a := range tag.Attr {
				if a.Key != "href" && a.Key != "src" && a.Key != "action" || strings.HasPrefix(a.Val, "http://temporal.test") {
					continue
				}
				addresses++
				ref, err := base.Parse(a.Val)
				if err != nil || !strings.HasPrefix(ref.Path, mount+"/") {
					t.Errorf("%s: %s leads to %v: %v", path, tag, ref, err)
					continue
				}
				at := strings.TrimPrefix(ref.RequestURI(), mount)
				known := seen[at] || a.Key == "action" && tag.Data == "form" || at == "/logout" || strings.HasPrefix(at, "/login") // the server's
				if seen[at] = true; known {
					continue
				}
				if w, _ := s.fetch(http.MethodGet, at, nil); w.StatusCode == http.StatusNotFound && !strings.Contains(at, "nowhere") {
					t.Errorf("%s: %s leads to what is not there: %s", path, tag, w.Status)
				}
			}
		}
		if addresses < 10 {
			t.Errorf("%s has %d addresses", path, addresses)
		}
	}
}

func TestWhatIsNotThereIsAPageThatSaysSo(t *testing.T) {
	s := newStand(t)
	s.result("weird", hostile)
	for path, want := range map[string]int{
		"/nowhere": 404, "/entries/run-123": 404, "/crashes/0123456789abcdef": 404, "/crashes/xyz": 400, "/result?workflow=none": 404, "/result": 400, "/entries?state=odd": 400,
		"/entries?sort=odd": 400, "/entries?page=0": 400, "/runs?status=odd": 400, "/store?what=odd": 400, "/run?workflow=w": 503, "/result?workflow=weird": 400, "/assets/nothing.css": 404,
	} {
		w, body := s.fetch(http.MethodGet, path, nil)
		if w.StatusCode != want {
			t.Errorf("%s: %s, want %d: %.300s", path, w.Status, want, body)
		}
		if strings.HasPrefix(path, "/assets") {
			continue
		}
		if w, body = s.fetch(http.MethodGet, "/api/v1"+path, nil); w.StatusCode != want {
			t.Errorf("the twin of %s: %s, want %d", path, w.Status, want)
		}
		var failed struct {
			Error struct{ Message string } `json:"error"`
		}
		if err := json.Unmarshal([]byte(body), &failed); err != nil || failed.Error.Message == "" {
			t.Errorf("the twin of %s: %v: %s", path, err, body)
		}
	}
}

// What an input holds is never a page: it comes as a file with a harmless name, byte for byte.
func TestInputsAndResultsAreDownloads(t *testing.T) {
	s := newStand(t)
	input := []byte("<html><script>alert(1)</script>\x00\xff")
	added := s.crash(s.put("t", "x"), "h", "", input)
	s.result(hostile, "low")
	for path, name := range map[string]string{
		"/crashes/" + added.Signature + "/inputs/" + added.SHA256:                 "crash-" + added.Signature + "-" + added.SHA256[:12] + ".bin",
		"/result/download?format=json&workflow=" + url.QueryEscape(hostile):       "",
		"/result/download?format=../x&workflow=" + url.QueryEscape(hostile) + "#": "",
	} {
		w, body := s.fetch(http.MethodGet, path, nil)
		disposition := w.Header.Get("Content-Disposition")
		if w.StatusCode != http.StatusOK || w.Header.Get("Content-Type") != "application/octet-stream" || w.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(w.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %s %v", path, w.Status, w.Header)
		}
		if !strings.HasPrefix(disposition, "attachment; filename=") || strings.ContainsAny(disposition, `<>/\`) || !strings.Contains(disposition, name) {
			t.Errorf("%s: %q", path, disposition)
		}
		if name != "" && body != string(input) {
			t.Errorf("%s: %q", path, body)
		}
	}
	for _, path := range []string{"/crashes/" + added.Signature + "/inputs/" + strings.Repeat("0", 64), "/crashes/ffff/inputs/" + added.SHA256, "/result/download?workflow=none", "/result/download"} {
		if w, _ := s.fetch(http.MethodGet, path, nil); w.StatusCode < 400 || w.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %s", path, w.Status)
		}
	}
}

// The parts of the bar are all of the disk, and of the cache what the entries say.
func TestTheBarIsAllOfTheDisk(t *testing.T) {
	s := newStand(t)
	id := s.put("t", strings.Repeat("x", 1<<20))
	s.get(id, "r1", cordon.Isolated)
	s.get(id, "r2", cordon.Shared)
	var o dashboard.Overview
	s.twin("/overview", &o)
	parts := map[string]int64{}
	for _, bar := range []dashboard.Bar{o.Disk, o.Cache} {
		var sum int64
		for _, p := range bar.Parts {
			sum += p.Bytes
			parts[p.Name] = p.Bytes
		}
		if sum != bar.Total {
			t.Errorf("the parts are %d of %d: %+v", sum, bar.Total, bar.Parts)
		}
	}
	if o.Disk.Total != o.Usage.DiskTotal || parts["isolated"] < 1<<20 || parts["shared"] < 1<<20 || parts["cow"] != 0 || o.Cache.Total != 2*cordon.GB {
		t.Errorf("%+v", o)
	}
	if parts["isolated"]+parts["shared"] != o.Usage.Recorded {
		t.Errorf("of %d recorded bytes the bar has %v", o.Usage.Recorded, parts)
	}
}

// A long list is paged, found in and ordered, and each page of it is small.
func TestALongListIsShownByPages(t *testing.T) {
	s := newStand(t)
	id := s.put("t", "x")
	for i := range *entries {
		s.get(id, runName(i), cordon.Isolated)
	}
	var p dashboard.Entries
	s.twin("/entries?sort=target&page=2", &p)
	if p.All != *entries || p.Paging.Total != *entries || p.Paging.First != 51 || len(p.Entries) != 50 || p.Entries[0].Run != runName(50) {
		t.Errorf("page 2 is %+v, of %d; it begins with %+v", p.Paging, p.All, p.Entries[0].Run)
	}
	s.twin("/entries?page=999999", &p)
	if p.Paging.Page != p.Paging.Pages || p.Paging.Last != *entries {
		t.Errorf("behind the last page is %+v", p.Paging)
	}
	s.twin("/entries?q="+strings.ToUpper(runName(77)), &p)
	if len(p.Entries) != 1 || p.Entries[0].Run != runName(77) || !p.Entries[0].Stays || p.Entries[0].Why == "" {
		t.Errorf("looking for one finds %+v", p.Entries)
	}
	s.twin("/entries?state=unheld", &p)
	if p.Paging.Total != 0 {
		t.Errorf("%d are held by nobody", p.Paging.Total)
	}
	_, body := s.fetch(http.MethodGet, "/entries?page=2&sort=target", nil)
	if len(body) > 100_000 || !strings.Contains(body, `rel="prev"`) || !strings.Contains(body, `rel="next" href="./entries?page=3&amp;sort=target"`) {
		t.Errorf("page 2 has %d bytes, or does not lead on", len(body))
	}
}
