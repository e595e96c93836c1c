package sdnotify_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/sdnotify"
)

func TestWhatIsToldArrivesAsOneDatagram(t *testing.T) {
	for name, socket := range map[string]string{
		"a path":           filepath.Join(t.TempDir(), "notify"),
		"an abstract name": fmt.Sprintf("@cordon-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			m := sdnotify.FromEnv(func(name string) string { return map[string]string{"NOTIFY_SOCKET": socket}[name] })
			if err := m.Tell("READY=1", "STATUS=a line\nWATCHDOG=trigger"); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 1024)
			n, err := conn.Read(buf)
			if err != nil || string(buf[:n]) != "READY=1\nSTATUS=a line WATCHDOG=trigger" {
				t.Errorf("%q arrives, %v", buf[:n], err)
			}
		})
	}
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	m := sdnotify.FromEnv(func(string) string { return "" })
	if err := m.Tell("READY=1"); err != nil || m.Watchdog() != 0 {
		t.Errorf("%v, %v", err, m.Watchdog())
	}
}

func TestTheWatchdogIsOfThisProcessAlone(t *testing.T) {
	for name, c := range map[string]struct {
		pid, usec string
		want      time.Duration
	}{
		"of this process":  {fmt.Sprint(os.Getpid()), "120000000", 2 * time.Minute},
		"of whoever it is": {"", "1500000", 1500 * time.Millisecond},
		"of another":       {"1", "120000000", 0},
		"none":             {"", "", 0},
		"one that is none": {"", "soon", 0},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"NOTIFY_SOCKET": "/run/x", "WATCHDOG_PID": c.pid, "WATCHDOG_USEC": c.usec}
			if got := sdnotify.FromEnv(func(name string) string { return env[name] }).Watchdog(); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
