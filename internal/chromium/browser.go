// Package chromium drives a real Chromium for tests of pages, by the DevTools protocol
// over a pair of pipes: no port that others could reach, and no library.
package chromium

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds whatever a test waits for: a loaded machine takes its time.
const patience = 60 * time.Second

// Browser is a running Chromium. Its pages may be used concurrently.
type Browser struct {
	to   *os.File
	mu   sync.Mutex
	next int
	asks map[int]chan reply
	hear map[string]func(method string, params json.RawMessage) // by session
	gone chan struct{}
	why  error // it is gone
}

type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// program returns the Chromium to use: CORDON_TEST_CHROMIUM, or one in PATH.
func program() (string, error) {
	if p := os.Getenv("CORDON_TEST_CHROMIUM"); p != "" {
		return p, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", errors.New("there is no chromium in PATH, and CORDON_TEST_CHROMIUM names none")
}

// Start starts a browser that ends with the test. Where there is none the test is skipped.
func Start(t testing.TB) *Browser {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Skip("a real browser is needed: ", err)
	}
	fromUs, toIt, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromIt, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "cordon-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	// It has no sandbox of its own: root may not have one, and the pages are the test's.
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
		"--password-store=basic", "--use-mock-keychain", "--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{fromUs, toUs} // its descriptors 3 and 4
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Skip("the browser does not start: ", err)
	}
	_, _ = fromUs.Close(), toUs.Close() // it has them now
	b := &Browser{to: toIt, asks: map[int]chan reply{}, hear: map[string]func(string, json.RawMessage){}, gone: make(chan struct{})}
	go b.listen(fromIt)
	t.Cleanup(func() {
		_ = b.call("", "Browser.close", nil, nil) // or it ends with its pipes
		_ = toIt.Close()
		ended := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // how it ends is nobody's business
		ended.Stop()
		_ = fromIt.Close()
		if err := os.RemoveAll(profile); err != nil {
			t.Log("the browser's profile stays: ", err)
		}
		if t.Failed() {
			t.Logf("the browser said: %s", strings.TrimSpace(said.String()))
		}
	})
	return b
}

// listen hands out what the browser says, until it says no more.
func (b *Browser) listen(from *os.File) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.why = fmt.Errorf("the browser is gone: %w", err)
			close(b.gone)
			b.mu.Unlock()
			return
		}
		var m struct {
			ID      int             `json:"id"`
			Session string          `json:"sessionId"`
			Method  string          `json:"method"`
			Params  json.RawMessage `json:"params"`
			reply
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		ask, hear := b.asks[m.ID], b.hear[m.Session]
		delete(b.asks, m.ID)
		b.mu.Unlock()
		switch {
		case ask != nil:
			ask <- m.reply
		case m.Method != "" && hear != nil:
			hear(m.Method, m.Params)
		}
	}
}

// call asks the browser, or a page of it, for something.
func (b *Browser) call(session, method string, params, result any) error {
	if params == nil {
		params = struct{}{}
	}
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.asks[id] = answer
	text, err := json.Marshal(struct {
		ID      int    `json:"id"`
		Session string `json:"sessionId,omitempty"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{id, session, method, params})
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-b.gone:
		return b.why
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer within %v", method, patience)
	}
}
