package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manager is what a service manager is to a service: a socket that it is told things by.
type manager struct {
	socket string
	conn   *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // the test's own has too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{socket: filepath.Join(dir, "notify")}
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// hears waits for a message that has all of words.
func (m *manager) hears(t *testing.T, words ...string) {
	t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	last, buf := "", make([]byte, 64<<10)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			t.Fatalf("nothing with %q is heard: %v; the last was %q", words, err, last)
		}
		last = string(buf[:n])
		missing := false
		for _, w := range words {
			missing = missing || !strings.Contains(last, w)
		}
		if !missing {
			return
		}
	}
}
