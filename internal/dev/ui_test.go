package dev_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/dev"
)

// get asks for a URL with the header fields given; "Host" sets the host.
func get(t *testing.T, url string, header map[string]string) (int, string) {
	t.Helper()
	return request(t, http.MethodGet, url, header)
}

func request(t *testing.T, method, url string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestTheUIServesItsPagesAndTheAPI(t *testing.T) {
	t.Parallel()
	s := start(t, dev.Options{})
	code, page := get(t, s.UIURL()+"/namespaces/default/workflows", nil)
	if code != http.StatusOK || !strings.Contains(page, "<html") {
		t.Fatalf("the page answers %d: %.200s", code, page)
	}
	script := regexp.MustCompile(`/_app/[^"]+\.js`).FindString(page)
	if code, body := get(t, s.UIURL()+script, nil); script == "" || code != http.StatusOK || len(body) == 0 {
		t.Errorf("the page's script %q answers %d", script, code)
	}
	if code, body := get(t, s.UIURL()+"/api/v1/namespaces/default", nil); code != http.StatusOK || !strings.Contains(body, `"default"`) {
		t.Errorf("the API answers %d: %s", code, body)
	}
	if code, body := get(t, s.UIURL()+"/api/v1/settings", nil); code != http.StatusOK || !strings.Contains(body, `"DisableNewsFetch":true`) {
		t.Errorf("the settings answer %d: %s", code, body)
	}
	port := s.UIURL()[strings.LastIndex(s.UIURL(), ":")+1:]
	for name, c := range map[string]struct {
		header map[string]string
		want   int
	}{
		"localhost":                  {map[string]string{"Host": "localhost:" + port}, http.StatusOK},
		"its own origin":             {map[string]string{"Origin": s.UIURL()}, http.StatusOK},
		"a name that is bound to us": {map[string]string{"Host": "evil.example:" + port}, http.StatusForbidden},
		"the page of another site":   {map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
		"another port of this host":  {map[string]string{"Origin": "http://127.0.0.1:1"}, http.StatusForbidden},
		"a page without an origin":   {map[string]string{"Origin": "null"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _ := get(t, s.UIURL()+"/api/v1/namespaces/default", c.header); code != c.want {
				t.Errorf("answers %d, not %d", code, c.want)
			}
		})
	}
	// With the token, the answer would be that there is no such workflow: 404.
	if code, body := request(t, http.MethodPost, s.UIURL()+"/api/v1/namespaces/default/workflows/x/cancel", nil); code != http.StatusBadRequest || !strings.Contains(body, "csrf") {
		t.Errorf("a write without the CSRF token answers %d: %s", code, body)
	}
}
