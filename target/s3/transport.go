package s3

import (
	"context"
	"net"
	"net/http"
	"time"
)

// limits are the times after which a server counts as dead.
type limits struct {
	dial     time.Duration // one connection attempt
	header   time.Duration // from the request's last byte to the answer's first
	stall    time.Duration // without a byte in either direction
	attempt  int           // tries of one request, by minio-go, with up to a second between them
	patience time.Duration // without progress of a transfer that was under way, whatever is tried
	stale    time.Duration // age of an unfinished upload that nobody continues
	quiet    time.Duration // age of the newest part of an upload that nobody is at work on
}

// defaultLimits make a closed port fail in about a second, a host that does not
// answer in ten (3 × 3 s and the pauses), and a server that accepts and is
// silent in a minute. A transfer that stops is tried on another connection after
// 20 seconds, and outlives a server's restart: that takes MinIO some seconds and
// its host half a minute. S3 servers answer the first byte of anything within a
// few seconds, and networks that need longer than 3 s for a connection are broken.
var defaultLimits = limits{
	dial:     3 * time.Second,
	header:   20 * time.Second,
	stall:    20 * time.Second,
	attempt:  3,
	patience: 45 * time.Second,
	stale:    24 * time.Hour,
	quiet:    10 * time.Minute, // a part of 16 MiB at 30 kB/s
}

// idleConns is how many unused connections are kept per server: about as many
// fetches as a worker does at a time, with all the streams that each may have.
const idleConns = 8 * mostStreams

// newTransport returns the HTTP transport of a store.
func newTransport(l limits) *http.Transport {
	dialer := &net.Dialer{Timeout: l.dial, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: c, stall: l.stall}, nil
		},
		TLSHandshakeTimeout:   l.dial + 2*time.Second, // a handshake takes two more round trips than a connection
		ResponseHeaderTimeout: l.header,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       l.stall / 2, // before the watch on the connection takes its silence for a stall
		MaxIdleConnsPerHost:   idleConns,
		DisableCompression:    true, // an object with Content-Encoding gzip is to arrive as it was stored
	}
}

// watchedConn fails a read or write during which nothing arrives or leaves for
// the stall time. Neither TCP nor net/http notices a peer that stays connected
// and falls silent in the middle of a body.
type watchedConn struct {
	net.Conn
	stall time.Duration
}

func (c *watchedConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write also moves the deadline of a read that is waiting: net/http always has
// one, and while a request is being sent there is nothing for it to read.
func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
