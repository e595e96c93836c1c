package container

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What people do with a worker's container, in both of its profiles: the image as
// deploy/Dockerfile has it, run as deploy/compose does.
func TestTheImage(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.plantKey(t)
	address, end := h.temporal(t)
	// The image's user writes results into it.
	if out, err := exec.CommandContext(t.Context(), "chmod", "-R", "a+rwX", h.store).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	i := imageOf(t, "secrets")
	program := worker(t)
	for _, profile := range []struct {
		name     string
		settings settings
		driver   string
		uid      string
	}{
		{"unprivileged", settings{only: []string{}, user: 10001}, "copy", "10001"},
		{"overlay", settings{only: snippetCapabilities, env: []string{"CACHE_COW_DRIVER=overlay!"}}, "overlay", "0"},
	} {
		t.Run(profile.name, func(t *testing.T) {
			s := profile.settings
			s.command, s.worker, s.layer, s.network = i.entrypoint, program, i.begin, true
			s.env = append(s.env, append(i.adds(), "TEMPORAL_ADDRESS="+address, "TEMPORAL_NAMESPACE="+namespace)...)
			s.cache = h.on(t, "ext4", s.user)
			b := h.start(t, s)

			if words := b.healthIs(t, i.health, 0); !strings.Contains(words, "polls secrets-queue, cache /cache") {
				t.Errorf("it is healthy, and says %q", words)
			}
			if got := b.must(t, "id", "-u"); got != profile.uid {
				t.Errorf("it runs as %s", got)
			}
			if got := b.must(t, "id", "-u", i.user); got != "10001" {
				t.Errorf("the image's user is %s", got)
			}
			for _, want := range []string{"CACHE_DIR=/cache", "CACHE_MAX_SIZE=10GB", "CACHE_TTL=7d"} {
				if got := b.must(t, "sh", "-c", "env | grep CACHE"); !strings.Contains(got, want) {
					t.Errorf("env | grep CACHE has no %s:\n%s", want, got)
				}
			}

			h.findsTheKey(t, b, address, "--isolation", "copy-on-write")
			h.findsTheKey(t, b, address)
			for _, words := range []string{"driver=" + profile.driver, "User code downloaded", "/cache/"} {
				if !strings.Contains(b.said(t), words) {
					t.Errorf("the worker does not say %q:\n%s", words, b.said(t))
				}
			}
			if got := b.must(t, "du", "-shx", "/cache"); !strings.HasSuffix(got, "/cache") {
				t.Errorf("du says %q", got)
			}
			if got := b.must(t, "sh", "-c", "ls /cache"); got == "" {
				t.Error("nothing is cached")
			}

			// A shared tree is read-only: rm leaves what is mounted, or what its user may
			// not write, and complains.
			b.exec(t, "sh", "-c", "rm -rf /cache/*")
			h.findsTheKey(t, b, address)
			if out, code := b.exec(t, "sh", "-c", "chmod -R u+w /cache/*; rm -rf /cache/*; ls /cache"); profile.driver != "overlay" && (code != 0 || out != "") {
				t.Errorf("emptying the cache: exit code %d\n%s", code, out)
			}
			h.findsTheKey(t, b, address)
			b.healthIs(t, i.health, 0)
			if t.Failed() {
				t.Logf("the worker:\n%s", b.said(t))
			}
			if profile.driver == "overlay" { // the last
				end()
				if words := b.healthIs(t, i.health, 1); !strings.Contains(words, "Temporal: it does not answer") {
					t.Errorf("without Temporal it says %q", words)
				}
			}
			b.stop(t)
		})
	}
}

// healthIs waits until the image's health check ends with code, as an engine does,
// and returns what it says then.
func (b *box) healthIs(t *testing.T, check []string, code int) string {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		words, got := b.exec(t, check...)
		if got == code {
			return words
		}
		if time.Now().After(end) {
			t.Fatalf("the health check still ends with %d: %s\nthe worker:\n%s", got, words, b.said(t))
		}
	}
}
