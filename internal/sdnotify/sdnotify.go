// Package sdnotify tells a service manager how a service is, by the protocol of
// sd_notify(3): a datagram to a socket that the manager names.
package sdnotify

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Manager is the service manager that has started this process. A nil one is nobody,
// and told nothing.
type Manager struct {
	socket   string
	watchdog time.Duration
}

// FromEnv returns the manager that the environment names (NOTIFY_SOCKET), or nil. A
// watchdog (WATCHDOG_USEC) that is meant for another process (WATCHDOG_PID) is none.
func FromEnv(getenv func(string) string) *Manager {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	m := &Manager{socket: socket}
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			m.watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return m
}

// Watchdog is how long the manager waits for WATCHDOG=1 before it takes the service for
// hung; 0 means that it does not.
func (m *Manager) Watchdog() time.Duration {
	if m == nil {
		return 0
	}
	return m.watchdog
}

// Tell sends assignments such as READY=1, in one datagram. Line ends in them are made
// spaces: what comes from outside must not become another assignment.
func (m *Manager) Tell(assignments ...string) error {
	if m == nil {
		return nil
	}
	for i, a := range assignments {
		assignments[i] = strings.NewReplacer("\n", " ", "\r", " ").Replace(a)
	}
	// A name that begins with @ is an abstract one, which package net knows as well.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}
