package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal of 40 columns, and what is shown on it.
func openTerminal(t *testing.T) (terminal *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no terminals to try: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 40}); err != nil {
		t.Fatal(err)
	}
	return terminal, func() string {
		// What is shown arrives in pieces; a mark behind it tells when it is all there.
		const mark = "\x05"
		if _, err := terminal.WriteString(mark); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		buf := make([]byte, 4<<10)
		for !strings.HasSuffix(got.String(), mark) {
			n, err := master.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(buf[:n])
		}
		return strings.TrimSuffix(got.String(), mark)
	}
}

func TestATerminalHasBarsAndColours(t *testing.T) {
	terminal, shown := openTerminal(t)
	s := newScreen(terminal, terminal, func(string) string { return "" })
	clock := time.Unix(0, 0)
	b := s.newBar("uploading", func() time.Time { return clock })
	clock = clock.Add(time.Second)
	b.update(50, 100)
	if got := shown(); !strings.Contains(got, "█") || !strings.Contains(got, "\r\x1b[K") || visible(strings.TrimPrefix(got, "\r\x1b[K")) > 39 {
		t.Errorf("the bar is %q; want one line of at most 39 columns", got)
	}
	s.say("a line")
	if got := shown(); !strings.HasPrefix(got, "\r\x1b[Ka line\r\n") || !strings.Contains(got, "█") {
		t.Errorf("a line during the bar is %q; want the line first and the bar again below it", got)
	}
	b.done()
	if got := shown(); got != "\r\x1b[K" {
		t.Errorf("at its end the bar leaves %q", got)
	}
	if got := s.paintOut(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("red is %q", got)
	}
}

func TestNoColorAndDumbTerminalsAreRespected(t *testing.T) {
	terminal, _ := openTerminal(t)
	for _, env := range []map[string]string{{"NO_COLOR": "1"}, {"TERM": "dumb"}} {
		s := newScreen(terminal, terminal, func(name string) string { return env[name] })
		if got := s.paintOut(red, "x") + s.paintErr(red, "x"); got != "xx" {
			t.Errorf("with %v there are colours: %q", env, got)
		}
	}
}
