package dev

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/cordonlabs/cordon"
)

// errInUse is the system's error for a port that somebody listens on.
var errInUse error = syscall.EADDRINUSE

// ports are those that the server listens on.
type ports struct {
	frontend, history, matching, worker int
}

// choosePorts checks that the frontend's port can be had, and picks the others.
func choosePorts(host string, frontend int) (ports, error) {
	p := ports{frontend: frontend}
	if frontend == 0 {
		port, err := freePort(host)
		if err != nil {
			return ports{}, err
		}
		p.frontend = port
	} else {
		l, err := listen(host, frontend, "--port")
		if err != nil {
			return ports{}, err
		}
		l.Close() // nothing has connected that a failed close could lose
	}
	for _, port := range []*int{&p.history, &p.matching, &p.worker} {
		n, err := freePort(loopback)
		if err != nil {
			return ports{}, err
		}
		*port = n
	}
	return p, nil
}

// listen listens on a TCP port; flag is what the user calls it.
func listen(host string, port int, flag string) (net.Listener, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	e := &cordon.Error{Kind: kindOf(err), Op: "listen on", Name: address, Err: err}
	var op *net.OpError
	if errors.As(err, &op) {
		e.Err = op.Err // the address stands in Name already
	}
	switch {
	case errors.Is(err, errInUse):
		e.Err = fmt.Errorf("another program listens there (%w)", errInUse)
		e.Fix = fmt.Sprintf("stop it, or choose another %s (0 takes a free one)", flag)
	case errors.Is(err, os.ErrPermission):
		e.Fix = fmt.Sprintf("choose a %s above 1023", flag)
	default:
		e.Kind = cordon.InvalidArgument
		e.Fix = "use an address of this machine"
	}
	return nil, e
}

// freePort returns a port that nobody listens on, for a server that cannot be
// handed a listener. One connection is made to it and closed from the listening
// side: that leaves the port waiting for a while, in which the kernel gives it
// to nobody who asks for any port, though whoever asks for this one gets it.
func freePort(host string) (int, error) {
	l, err := listen(host, 0, "--port")
	if err != nil {
		return 0, err
	}
	defer l.Close() // as above
	port := l.Addr().(*net.TCPAddr).Port
	out, err := net.Dial("tcp", net.JoinHostPort(reachable(host), strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer out.Close() // the second to be closed: see above
	in, err := l.Accept()
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	in.Close() // nothing was sent
	return port, nil
}

// reachable is the address at which this machine reaches what listens on host.
func reachable(host string) string {
	switch ip := net.ParseIP(host); {
	case ip == nil || !ip.IsUnspecified():
		return host
	case ip.To4() == nil:
		return "::1"
	}
	return loopback
}
