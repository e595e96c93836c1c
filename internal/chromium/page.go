package chromium

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// Look is how a page is looked at.
type Look struct {
	Width, Height int
	Dark          bool // the reader prefers dark colours
	Still         bool // and no motion
}

// Page is a tab.
type Page struct {
	t       testing.TB
	b       *Browser
	session string
	loaded  chan struct{}

	mu       sync.Mutex
	troubles []string
}

// Page opens a tab. Whatever fails in it fails the test.
func (b *Browser) Page(t testing.TB, look Look) *Page {
	t.Helper()
	p := &Page{t: t, b: b, loaded: make(chan struct{}, 1)}
	var target struct {
		ID string `json:"targetId"`
	}
	var session struct {
		ID string `json:"sessionId"`
	}
	p.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target))
	p.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &session))
	p.session = session.ID
	b.mu.Lock()
	b.hear[p.session] = p.heard
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.must(b.call(p.session, domain+".enable", nil, nil))
	}
	p.Resize(look)
	return p
}

// Resize has the page looked at otherwise.
func (p *Page) Resize(look Look) {
	p.t.Helper()
	scheme, motion := "light", "no-preference"
	if look.Dark {
		scheme = "dark"
	}
	if look.Still {
		motion = "reduce"
	}
	p.must(p.b.call(p.session, "Emulation.setDeviceMetricsOverride", map[string]any{"width": look.Width, "height": look.Height, "deviceScaleFactor": 1, "mobile": look.Width < 600}, nil))
	p.must(p.b.call(p.session, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion},
	}}, nil))
}

func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// heard notes what the browser tells of the page.
func (p *Page) heard(method string, params json.RawMessage) {
	trouble := ""
	switch method {
	case "Page.loadEventFired":
		select {
		case p.loaded <- struct{}{}:
		default:
		}
	case "Runtime.exceptionThrown":
		trouble = "exception: " + string(params)
	case "Runtime.consoleAPICalled":
		var said struct{ Type string }
		if json.Unmarshal(params, &said) == nil && (said.Type == "error" || said.Type == "warning" || said.Type == "assert") {
			trouble = "console: " + string(params)
		}
	case "Log.entryAdded": // what a policy forbade, and what could not be loaded, among others
		var said struct {
			Entry struct{ Level, Text, URL string }
		}
		if json.Unmarshal(params, &said) == nil && (said.Entry.Level == "error" || said.Entry.Level == "warning") {
			trouble = fmt.Sprintf("%s: %s (%s)", said.Entry.Level, said.Entry.Text, said.Entry.URL)
		}
	}
	if trouble != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.troubles = append(p.troubles, trouble)
	}
}

// Troubles returns, and forgets, the errors and warnings of the pages so far.
func (p *Page) Troubles() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Clone(p.troubles)
	p.troubles = nil
	return out
}

// Open goes to an address and waits until it is loaded.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.Leaving(func() {
		var answer struct {
			ErrorText string `json:"errorText"`
		}
		p.must(p.b.call(p.session, "Page.navigate", map[string]any{"url": url}, &answer))
		if answer.ErrorText != "" {
			p.t.Fatalf("%s: %s", url, answer.ErrorText)
		}
	})
}

// Leaving waits until the page that act leads to is loaded.
func (p *Page) Leaving(act func()) {
	p.t.Helper()
	select {
	case <-p.loaded: // of a page before
	default:
	}
	act()
	select {
	case <-p.loaded:
	case <-time.After(patience):
		p.t.Fatalf("no page was loaded within %v", patience)
	}
}

// Eval returns into out, a pointer, what a JavaScript expression is, as JSON has it; nil
// throws it away.
func (p *Page) Eval(expression string, out any) {
	p.t.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	p.must(p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &answer))
	if answer.Exception != nil {
		p.t.Fatalf("%s: %s", expression, answer.Exception)
	}
	if out != nil {
		p.must(json.Unmarshal(answer.Result.Value, out))
	}
}

// Await waits until an expression is true.
func (p *Page) Await(expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		var ok bool
		if p.Eval("Boolean("+expression+")", &ok); ok {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %v: %s", patience, expression)
		}
	}
}

// Key presses and releases a key by its name: "a", "?", "Tab", "Enter", "Escape".
func (p *Page) Key(name string) {
	p.t.Helper()
	key := map[string]any{"type": "keyDown", "key": name}
	switch name {
	case "Enter":
		key["text"], key["windowsVirtualKeyCode"] = "\r", 13
	case "Tab":
		key["windowsVirtualKeyCode"] = 9
	case "Escape":
		key["windowsVirtualKeyCode"] = 27
	default:
		key["text"] = name
	}
	p.must(p.b.call(p.session, "Input.dispatchKeyEvent", key, nil))
	p.must(p.b.call(p.session, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": name}, nil))
}

// Screenshot returns all of the page as a PNG.
func (p *Page) Screenshot() []byte {
	p.t.Helper()
	var shot struct {
		Data string `json:"data"`
	}
	p.must(p.b.call(p.session, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot))
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	p.must(err)
	return b
}

// Header has all requests of the page carry a header.
func (p *Page) Header(name, value string) {
	p.t.Helper()
	p.must(p.b.call(p.session, "Network.enable", nil, nil))
	p.must(p.b.call(p.session, "Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{name: value}}, nil))
}
