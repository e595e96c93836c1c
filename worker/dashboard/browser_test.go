package dashboard_test

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/chromium"
)

var shots = flag.String("shots", "", "keep pictures of all pages in this `folder`")

// looks are how people look at the pages.
var looks = map[string]chromium.Look{
	"light": {Width: 1280, Height: 800}, "dark": {Width: 1280, Height: 800, Dark: true}, "phone": {Width: 390, Height: 844, Still: true},
}

// Every page loads in a real browser without a word of complaint, whatever it shows and however
// one looks at it; on a phone nothing sticks out; nothing foreign has acted.
func TestPagesInABrowser(t *testing.T) {
	b := chromium.Start(t)
	s := newStand(t)
	paths := s.fill()
	for name, look := range looks {
		p := b.Page(t, look)
		for _, path := range paths {
			p.Open(s.URL + path)
			var at struct {
				Wide, Pwned, Loud bool
				Ground, Ink       string
				Unnamed           []string
			}
			p.Eval(`(() => {
				const s = getComputedStyle(document.body);
				const unnamed = [...document.querySelectorAll("a, button, input:not([type=hidden]), select")].filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length));
				const moves = [...document.querySelectorAll("a, button, rect")].some((e) => getComputedStyle(e).transitionDuration !== "0s");
				return { Wide: document.documentElement.scrollWidth > innerWidth, Pwned: typeof pwned !== "undefined", Ground: s.backgroundColor, Ink: s.color, Unnamed: unnamed.map((e) => e.outerHTML), Loud: moves };
			})()`, &at)
			if at.Wide {
				t.Errorf("%s, %s: it is wider than the screen", path, name)
			}
			if at.Pwned {
				t.Errorf("%s, %s: foreign text has acted", path, name)
			}
			if light := luma(t, at.Ground) > luma(t, at.Ink); light == look.Dark {
				t.Errorf("%s, %s: %s on %s", path, name, at.Ink, at.Ground)
			}
			if len(at.Unnamed) > 0 {
				t.Errorf("%s, %s: a screen reader has no name for %q", path, name, at.Unnamed)
			}
			if look.Still && at.Loud {
				t.Errorf("%s, %s: something moves", path, name)
			}
			if *shots != "" {
				file := strings.Trim(strings.NewReplacer("/", "-", "?", "-", "&", "-", "%", "-").Replace(path), "-")
				if err := os.WriteFile(filepath.Join(*shots, name+"-"+file[:min(len(file), 40)]+".png"), p.Screenshot(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, trouble := range p.Troubles() {
			t.Errorf("%s: %s", name, trouble)
		}
	}
}

// luma is how light a colour of the form "rgb(r, g, b)" is.
func luma(t *testing.T, colour string) (sum int) {
	t.Helper()
	n := 0
	for _, c := range colour {
		switch {
		case '0' <= c && c <= '9':
			n = n*10 + int(c-'0')
		case n > 0:
			sum, n = sum+n, 0
		}
	}
	return sum
}

// Everything can be done by keys: the skip link comes first, rows are gone through, pages are
// gone to, the list of keys opens and closes.
func TestTheKeyboardIsEnough(t *testing.T) {
	b := chromium.Start(t)
	s := newStand(t)
	id := s.put("t", "x")
	s.get(id, "r1", cordon.Isolated)
	key := s.get(id, "r2", cordon.Isolated)
	p := b.Page(t, looks["light"])
	p.Open(s.URL + "/entries?sort=target")

	p.Key("Tab")
	var focused struct {
		Text    string
		Visible bool
	}
	p.Eval(`({ Text: document.activeElement.textContent, Visible: document.activeElement.getBoundingClientRect().top >= 0 })`, &focused)
	if focused.Text != "Skip to the content" || !focused.Visible {
		t.Errorf("the first thing that is focused is %+v", focused)
	}
	p.Key("Enter")
	p.Await(`document.activeElement.id === "main"`)

	p.Key("j")
	p.Key("j")
	p.Await(`document.activeElement.getAttribute("href") === "./entries/` + key + `"`)
	var outline string
	if p.Eval(`getComputedStyle(document.activeElement).outlineStyle`, &outline); outline == "none" {
		t.Error("one does not see where one is")
	}
	p.Key("k")
	p.Await(`document.activeElement.getAttribute("href") !== "./entries/` + key + `"`)
	p.Key("j")
	p.Leaving(func() { p.Key("Enter") })
	p.Await(`location.pathname === "` + mount + `/entries/` + key + `"`)

	p.Key("?")
	p.Await(`document.getElementById("help").open && document.getElementById("help").contains(document.activeElement)`)
	p.Key("Escape")
	p.Await(`!document.getElementById("help").open`)

	for letter, path := range map[string]string{"o": "/", "e": "/entries", "r": "/runs", "f": "/fuzzing", "c": "/crashes", "i": "/findings", "h": "/hosts", "s": "/store"} {
		goTo(t, p, letter, path)
	}
	goTo(t, p, "e", "/entries")
	p.Key("/")
	p.Await(`document.activeElement.name === "q"`)
	for _, letter := range "r2" {
		p.Key(string(letter))
	}
	p.Leaving(func() { p.Key("Enter") })
	p.Await(`document.querySelectorAll("[data-row]").length === 1`)
	for _, trouble := range p.Troubles() {
		t.Error(trouble)
	}
}

// goTo presses "g" and a letter, again where the machine was too slow for the second to belong
// to the first.
func goTo(t *testing.T, p *chromium.Page, letter, path string) {
	t.Helper()
	eventually(t, "g "+letter+" leads to "+path, func() bool {
		p.Key("g")
		p.Key(letter)
		for range 40 {
			var there bool
			p.Eval(`document.readyState === "complete" && location.pathname === "`+mount+path+`" && document.querySelector("nav a[aria-current=page]")?.pathname === "`+mount+path+`"`, &there)
			if there {
				return true
			}
			time.Sleep(50 * time.Millisecond)
		}
		return false
	})
}

// A page that is open shows what happens, leaves what did not change as it is, and holds still
// when it is told to.
func TestAnOpenPageShowsWhatHappens(t *testing.T) {
	b := chromium.Start(t)
	s := newStand(t)
	key := s.get(s.put("t", "x"), "r1", cordon.Isolated)
	p := b.Page(t, looks["light"])
	p.Open(s.URL + "/")
	p.Await(`document.querySelector("[data-live]").dataset.updates > 0 && document.getElementById("pulse-word").textContent === "live"`)
	p.Eval(`window.before = document.querySelector(".facts a"); before.focus(); 1`, nil)
	if err := s.cache.Pin(key, hostile); err != nil {
		t.Fatal(err)
	}
	p.Await(`document.querySelector(".events")?.textContent.includes("onerror=pwned=1")`)
	var kept, pwned bool
	p.Eval(`before.isConnected && document.activeElement === before`, &kept)
	p.Eval(`typeof pwned !== "undefined" || document.querySelectorAll("main img").length > 0`, &pwned)
	if !kept || pwned {
		t.Errorf("the focus stays where it was: %v; foreign text acts: %v", kept, pwned)
	}

	p.Key("p")
	p.Await(`document.getElementById("pulse").getAttribute("aria-pressed") === "true"`)
	if _, err := s.cache.Unpin(key); err != nil {
		t.Fatal(err)
	}
	var fresh string
	eventually(t, "the server tells of it", func() bool {
		p.Eval(`fetch("./api/v1/overview").then((r) => r.text())`, &fresh)
		return strings.Contains(fresh, `"unpin"`)
	})
	var shown bool
	if p.Eval(`document.querySelector(".events").textContent.includes("unpin")`, &shown); shown {
		t.Error("it was told to hold still")
	}
	p.Key("p")
	p.Await(`document.querySelector(".events").textContent.includes("unpin")`)
	for _, trouble := range p.Troubles() {
		t.Error(trouble)
	}
}

// A person who may pins an entry by its page's form, and the policy lets him.
func TestAFormChangesSomething(t *testing.T) {
	b := chromium.Start(t)
	s := newStand(t)
	key := s.get(s.put("t", "x"), "r1", cordon.Isolated)
	p := b.Page(t, looks["phone"])
	p.Header("Authorization", "Bearer "+token)
	p.Open(s.URL + "/entries/" + key)
	p.Eval(`document.querySelector("input[name=reason]").value = "for a test"; 1`, nil)
	p.Leaving(func() { p.Eval(`document.querySelector("input[name=reason]").form.requestSubmit()`, nil) })
	p.Await(`document.querySelector(".did").textContent.startsWith("Pinned") && document.querySelector("form[action$=unpin]")`)
	if e, err := s.cache.Find(key); err != nil || e.Pin == nil || e.Pin.Reason != "for a test" {
		t.Errorf("it is %+v (%v)", e, err)
	}
	p.Open(s.URL + "/entries?q=" + url.QueryEscape("r1"))
	p.Await(`document.querySelector(".tag.pin")`)
	for _, trouble := range p.Troubles() {
		t.Error(trouble)
	}
}
