//go:build !race

package fleet

import (
	"errors"
	"flag"
	"io"
	"net"
	"sync"
	"testing"
)

var fleetSilent = flag.Bool("fleet-silent", false, "a server is not told either when the line to a host is cut, and hands it work until its polls end: a minute more")

// line is the network between one host and a server. When it is cut nothing gets through, in
// either direction, and the host is not told: it waits as if a cable were pulled. The server
// learns that its connections are gone, as of whatever stands between the two, unless
// fleetSilent; then what was on its way arrives when the line is mended.
type line struct {
	gone chan struct{} // closed when the test is over

	mu    sync.Mutex
	whole chan struct{} // closed while it is
	conns []net.Conn
	far   []net.Conn // those of them that the server has
}

func newLine(t *testing.T) *line {
	l := &line{gone: make(chan struct{}), whole: make(chan struct{})}
	close(l.whole)
	t.Cleanup(func() {
		close(l.gone)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.conns {
			_ = c.Close() // nobody is left who would use it
		}
	})
	return l
}

// to returns the address at which the host reaches what listens at addr.
func (l *line) to(t *testing.T, addr string) (through string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // its loop ends by that
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.connect(near, addr)
		}
	}()
	return listener.Addr().String()
}

func (l *line) connect(near net.Conn, addr string) {
	if !l.keep(near) {
		return
	}
	far, err := net.Dial("tcp", addr)
	if err != nil {
		_ = near.Close() // whoever it is tries again
		return
	}
	l.mu.Lock()
	l.far = append(l.far, far)
	l.mu.Unlock()
	if l.keep(far) {
		go l.carry(near, far)
		l.carry(far, near)
	}
}

// keep waits until the line is whole, and closes c when the test is over.
func (l *line) keep(c net.Conn) bool {
	l.mu.Lock()
	l.conns = append(l.conns, c)
	l.mu.Unlock()
	if !l.pass() {
		_ = c.Close() // as in newLine
		return false
	}
	return true
}

// pass waits until the line is whole; false: the test is over.
func (l *line) pass() bool {
	l.mu.Lock()
	whole := l.whole
	l.mu.Unlock()
	select {
	case <-whole:
		return true
	case <-l.gone:
		return false
	}
}

func (l *line) carry(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !l.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				_ = from.Close() // what is said to it is lost
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.(*net.TCPConn).CloseWrite() // the other direction may go on
			return
		case err != nil:
			_ = to.Close() // it is told as it was told here
			return
		}
	}
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.whole = make(chan struct{})
	if *fleetSilent {
		return
	}
	for _, c := range l.far {
		_ = c.Close() // whoever reads from it is not heard any more
	}
	l.far = nil
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.whole)
}
