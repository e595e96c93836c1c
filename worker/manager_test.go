package worker_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/sdnotify"
)

// manager is a service manager, as far as a service notices.
type manager struct{ conn *net.UnixConn }

func newManager(t *testing.T) (*manager, *sdnotify.Manager) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	env := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "600000"}
	return &manager{conn}, sdnotify.FromEnv(func(name string) string { return env[name] })
}

// hears waits for a message with all of words, and returns it.
func (m *manager) hears(t *testing.T, words ...string) string {
	t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			t.Fatalf("nothing with %q is heard: %v", words, err)
		}
		message, missing := string(buf[:n]), false
		for _, w := range words {
			missing = missing || !strings.Contains(message, w)
		}
		if !missing {
			return message
		}
	}
}

func TestAServiceManagerIsToldThatTheWorkerPollsAndHowItIs(t *testing.T) {
	opts, _ := setup(t)
	opts.Verticals = []string{"secrets"}
	var m *manager
	m, opts.Manager = newManager(t)
	w := start(t, opts)
	m.hears(t, "READY=1", "STATUS=polls secrets-queue")
	m.hears(t, "WATCHDOG=1", "STATUS=polls secrets-queue")

	// A cache that cannot be written is said, and no reason to be killed.
	if err := os.RemoveAll(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(opts.Config.CacheDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.hears(t, "WATCHDOG=1", "STATUS=cache: ")
	if err := os.Remove(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	m.hears(t, "WATCHDOG=1", "STATUS=polls secrets-queue")

	w.Stop()
	m.hears(t, "STOPPING=1")
}
