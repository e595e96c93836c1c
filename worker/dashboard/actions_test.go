package dashboard_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker/dashboard"
)

func TestNothingChangesWithoutTheToken(t *testing.T) {
	s := newStand(t)
	key := s.get(s.put("t", "x"), "r1", cordon.Isolated)
	e, err := s.cache.Find(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/entries/" + key + "/pin", "/entries/" + key + "/unpin", "/entries/" + key + "/cleanup", "/gc/plan", "/gc/run"} {
		for what, header := range map[string][]string{
			"no token": {}, "a wrong one": {"Authorization", "Bearer wrong"},
			"another site's page with the token": {"Authorization", "Bearer " + token, "Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"},
		} {
			for _, prefix := range []string{"", "/api/v1"} {
				if w, body := s.fetch(http.MethodPost, prefix+path, url.Values{"reason": {"x"}, "plan": {"0123456789ab"}}, header...); w.StatusCode != http.StatusForbidden {
					t.Errorf("%s, %s: %s: %s", prefix+path, what, w.Status, body)
				}
			}
		}
		if w, _ := s.fetch(http.MethodGet, path, nil, "Authorization", "Bearer "+token); w.StatusCode == http.StatusOK {
			t.Errorf("%s answers a GET", path)
		}
	}
	if now, err := s.cache.Find(key); err != nil || now.Pin != nil || now.Created != e.Created {
		t.Errorf("the entry is now %+v (%v)", now, err)
	}
	if _, page := s.fetch(http.MethodGet, "/entries/"+key, nil); strings.Contains(page, `action="/entries/`) || !strings.Contains(page, "/login") {
		t.Error("who may not change anything is shown what he could do, or not how he could")
	}
}

func TestWhoBearsTheTokenPinsAndCleansUp(t *testing.T) {
	s := newStand(t)
	bearer := []string{"Authorization", "Bearer " + token}
	id := s.put("t", "x")
	key, shared := s.get(id, "r1", cordon.Isolated), s.get(id, "r2", cordon.Shared)
	post := func(path string, form url.Values, to string) {
		t.Helper()
		w, body := s.fetch(http.MethodPost, path, form, bearer...)
		if w.StatusCode != http.StatusSeeOther || w.Header.Get("Location") != to {
			t.Errorf("%s: %s to %q: %.300s", path, w.Status, w.Header.Get("Location"), body)
		}
	}
	post("/entries/"+key+"/pin", url.Values{"reason": {hostile}}, "../../entries/"+key+"?did=pinned")
	if e, err := s.cache.Find(key); err != nil || e.Pin == nil || e.Pin.Reason != hostile {
		t.Errorf("pinned, it is %+v (%v)", e, err)
	}
	if _, page := s.fetch(http.MethodGet, "/entries/"+key+"?did=pinned", nil, bearer...); !strings.Contains(page, "Unpin") || !strings.Contains(page, "stays until somebody unpins it") {
		t.Error("its page does not say that it is pinned")
	}
	post("/entries/"+key+"/cleanup", nil, "../../entries/"+key+"?did=kept")
	post("/entries/"+key+"/unpin", nil, "../../entries/"+key+"?did=unpinned")
	key2 := s.get(id, "r3", cordon.Isolated)
	e, err := s.cache.Find(key2)
	if err != nil {
		t.Fatal(err)
	}
	w, body := s.fetch(http.MethodPost, "/api/v1/entries/"+key2+"/cleanup", nil, bearer...)
	var cleaned struct{ Outcome string }
	if err := json.Unmarshal([]byte(body), &cleaned); err != nil || w.StatusCode != http.StatusOK || cleaned.Outcome != "removed" {
		t.Errorf("cleaning up: %s: %s", w.Status, body)
	}
	if _, err := os.Lstat(e.Path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", e.Path, err)
	}
	if w, _ := s.fetch(http.MethodPost, "/entries/"+shared+"/cleanup", nil, bearer...); w.StatusCode != http.StatusBadRequest {
		t.Errorf("a tree that runs share is cleaned up: %s", w.Status)
	}
	if w, _ := s.fetch(http.MethodPost, "/entries/"+key+"/pin", url.Values{"reason": {strings.Repeat("x", 501)}}, bearer...); w.StatusCode != http.StatusBadRequest {
		t.Errorf("a reason of any length is taken: %s", w.Status)
	}
}

// A collection is planned first; what is carried out is the plan, and nothing else.
func TestACollectionIsPlannedAndThenCarriedOut(t *testing.T) {
	s := newStand(t)
	bearer := []string{"Authorization", "Bearer " + token}
	for _, name := range []string{"a", "b"} {
		id := s.put(name, name)
		key := s.get(id, "r-"+name, cordon.Shared)
		e, err := s.cache.Find(key)
		if err != nil {
			t.Fatal(err)
		}
		if name == "b" {
			continue // its run goes on
		}
		release(t, s, e.Path, "r-"+name)
	}
	ask := func(path string, form url.Values) (c dashboard.Collection) {
		t.Helper()
		w, body := s.fetch(http.MethodPost, "/api/v1"+path, form, bearer...)
		if err := json.Unmarshal([]byte(body), &c); err != nil || w.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s", path, w.Status, body)
		}
		return c
	}
	plan := ask("/gc/plan", url.Values{"keep": {"0"}})
	var whole []string // entries; kept objects have no key of their own
	for _, r := range plan.Removals {
		if r.Key != "" {
			whole = append(whole, r.Target.String())
		}
	}
	if !plan.Planned || !slices.Equal(whole, []string{"a"}) || plan.Plan == "" {
		t.Fatalf("the plan is %+v", plan)
	}
	if entries, err := s.cache.Entries(); err != nil || len(entries) != 2 {
		t.Errorf("a plan removed something: %+v (%v)", entries, err)
	}
	if _, page := s.fetch(http.MethodPost, "/gc/plan", url.Values{"keep": {"0"}}, bearer...); !strings.Contains(page, `name="plan" value="`+plan.Plan+`"`) {
		t.Error("the plan's page does not offer to carry it out")
	}
	done := ask("/gc/run", url.Values{"plan": {plan.Plan}})
	if len(done.Removals) != len(plan.Removals) || done.Planned {
		t.Errorf("carried out, it is %+v", done)
	}
	entries, err := s.cache.Entries()
	if err != nil || len(entries) != 1 || entries[0].Target.String() != "b" {
		t.Errorf("what stays is %+v (%v)", entries, err)
	}
	for _, form := range []url.Values{{}, {"plan": {"x"}}, {"plan": {"000000000000"}}} {
		if w, _ := s.fetch(http.MethodPost, "/gc/run", form, bearer...); w.StatusCode < 400 {
			t.Errorf("%v: %s", form, w.Status)
		}
	}
	if w, _ := s.fetch(http.MethodPost, "/gc/plan", url.Values{"keep": {"much"}}, bearer...); w.StatusCode != http.StatusBadRequest {
		t.Errorf("keep=much: %s", w.Status)
	}
}
