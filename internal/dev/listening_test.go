package dev_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listening returns the addresses on which this process listens.
func listening(t *testing.T) map[string]bool {
	t.Helper()
	own := make(map[string]bool)
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && strings.HasPrefix(link, "socket:[") {
			own[strings.Trim(link[len("socket:"):], "[]")] = true
		}
	}
	out := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && own[f[9]] {
				out[parseProcAddress(t, f[1])] = true
			}
		}
	}
	return out
}

// parseProcAddress reads "0100007F:1F90": words of the host's byte order, and a port.
func parseProcAddress(t *testing.T, s string) string {
	t.Helper()
	text, port, ok := strings.Cut(s, ":")
	if !ok || len(text)%8 != 0 {
		t.Fatalf("%q is no address", s)
	}
	var ip net.IP
	for ; text != ""; text = text[8:] {
		var word [4]byte
		if _, err := fmt.Sscanf(text[:8], "%02x%02x%02x%02x", &word[3], &word[2], &word[1], &word[0]); err != nil {
			t.Fatal(err)
		}
		ip = append(ip, word[:]...)
	}
	var n int
	if _, err := fmt.Sscanf(port, "%x", &n); err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(ip.String(), fmt.Sprint(n))
}
