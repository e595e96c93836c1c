package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// ParseListen reads an address to listen on. "" and off are nowhere, which is "".
func ParseListen(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.EqualFold(s, "off") {
		return "", nil
	}
	if _, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.Atoi(port); err == nil && n >= 0 && n < 1<<16 {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q is not an address to listen on; accepted: host:port, such as 127.0.0.1:8234 or :9090 (port 0 takes a free one), or off", s)
}

// parseURL reads an address for people's browsers; "" is none.
func parseURL(s string) (string, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "/")
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not an address for a browser; accepted: http://host, https://host:port/path", s)
	}
	return s, nil
}
