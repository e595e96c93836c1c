package e2e

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestDevPrintsEveryAddressAndKeepsItsState(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	d := u.dev(t)
	resp, err := http.Get(d.UI)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the UI answers %s", resp.Status)
	}
	if resp, err = http.Get(d.HTTP + "/readyz"); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable { // not yet
		t.Errorf("the worker's health answers %s", resp.Status)
	}
	if !slices.Equal(d.Queues, []string{"go-queue", "native-queue", "python-queue", "rust-queue", "secrets-queue"}) {
		t.Errorf("queues are %v", d.Queues)
	}
	for _, at := range []string{d.Temporal, d.UI, d.HTTP} {
		if !strings.Contains(at, "127.0.0.1:") {
			t.Errorf("%s is not on loopback", at)
		}
	}
	for _, dir := range []string{d.Cache, d.State} {
		if _, err := os.Stat(dir); err != nil || !strings.HasPrefix(dir, u.data()) {
			t.Errorf("%s: %v; want it below --data", dir, err)
		}
	}
	second := u.cordon(t, "dev", "--data", u.data(), "--port", "0", "--ui-port", "0")
	if second.code != 5 || !strings.Contains(second.err, d.State) {
		t.Errorf("a second one on the same data: exit code %d: %s", second.code, second.err)
	}
	if code := d.stop(t); code != 0 {
		t.Fatalf("Ctrl-C: exit code %d\n%s", code, d.log())
	}
	if again := u.dev(t); again.State != d.State {
		t.Errorf("its state was at %s and is at %s", d.State, again.State)
	}
}
