package web

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/cordonlabs/cordon"
)

// ErrInUse is in Listen's error where another program has the address.
var ErrInUse error = syscall.EADDRINUSE

// resolve returns the TCP address that host:port names; option is what the user calls it.
func resolve(address, option string) (*net.TCPAddr, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err == nil && addr.IP == nil { // ":8234": of the whole machine
		addr.IP = net.IPv6unspecified
	}
	if err != nil {
		var op *net.AddrError
		if errors.As(err, &op) {
			err = errors.New(op.Err) // the address stands in Name already
		}
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "listen on", Name: fmt.Sprintf("%q", address), Err: err,
			Fix: "give " + option + " host:port, such as 127.0.0.1:8234"}
	}
	return addr, nil
}

func listen(addr *net.TCPAddr, option string) (net.Listener, error) {
	l, err := net.ListenTCP("tcp", addr)
	if err == nil {
		return l, nil
	}
	e := &cordon.Error{Kind: cordon.InvalidArgument, Op: "listen on", Name: addr.String(), Err: err, Fix: "use an address of this machine"}
	var op *net.OpError
	if errors.As(err, &op) {
		e.Err = op.Err // likewise
	}
	switch {
	case errors.Is(err, ErrInUse):
		e.Kind, e.Err = cordon.Busy, fmt.Errorf("another program listens there (%w)", ErrInUse)
		e.Fix = "stop it, or choose another address by " + option + " (port 0 takes a free one)"
	case errors.Is(err, os.ErrPermission):
		e.Kind, e.Fix = cordon.PermissionDenied, "choose a port above 1023"
	}
	return nil, e
}
