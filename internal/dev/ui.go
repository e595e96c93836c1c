package dev

import (
	"fmt"
	"io"
	"io/fs"
	stdlog "log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/temporalio/ui-server/v2/server/api"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/headers"
	"github.com/temporalio/ui-server/v2/server/route"
	assets "github.com/temporalio/ui-server/v2/ui"
	"google.golang.org/grpc"
)

const (
	// headerTimeout and idleTimeout end connections that only hold a descriptor.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// ui is the web UI on its own listener. Its methods may be called on nil, which
// is a server without one.
//
// The handlers are the UI server's; the listener and the server around them are
// ours, for its own end the process when the port is taken, and do not check
// which site a request comes from.
type ui struct {
	listener net.Listener
	server   *http.Server
	conn     *grpc.ClientConn // to the frontend
	served   chan struct{}    // closed when the server has ended; nil before it is started
}

// listenUI takes the port; it returns nil where port is negative.
func listenUI(host string, port int) (*ui, error) {
	if port < 0 {
		return nil, nil
	}
	l, err := listen(host, port, "--ui-port")
	if err != nil {
		return nil, err
	}
	return &ui{listener: l}, nil
}

// serve begins to answer, for the frontend at address. That one must listen by
// now: a connection that is refused once is not tried again for a second.
func (u *ui) serve(address string) error {
	if u == nil {
		return nil
	}
	handler, err := u.handler(address)
	if err != nil {
		return fmt.Errorf("set up the web UI: %w", err)
	}
	u.server = &http.Server{
		Handler:           ownSiteOnly(handler),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          stdlog.New(io.Discard, "", 0), // connections that browsers break off
	}
	u.served = make(chan struct{})
	go func() {
		defer close(u.served)
		// The error is that the listener was closed: by close, or by nobody.
		_ = u.server.Serve(u.listener)
	}()
	return nil
}

func (u *ui) handler(address string) (http.Handler, error) {
	provider, err := config.NewConfigProviderWithRefresh(&config.Config{
		TemporalGRPCAddress: address,
		EnableUI:            true,
		DefaultNamespace:    "default",
		CORS:                config.CORS{CookieInsecure: true}, // there is no TLS on loopback
		HideLogs:            true,
		DisableNewsFetch:    true, // the page asks nobody but this server
	})
	if err != nil {
		return nil, err
	}
	if u.conn, err = api.CreateGRPCConnection(provider); err != nil {
		return nil, err
	}
	pages, err := assets.Assets()
	if err != nil {
		return nil, err
	}
	if pages, err = fs.Sub(pages, "local"); err != nil {
		return nil, err
	}
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(middleware.Recover(), middleware.Gzip(), middleware.Secure(),
		csrf.EnsureTokenCookie(false), middleware.CSRFWithConfig(csrf.MiddlewareConfig(provider, false)))
	forward := []api.Middleware{headers.WithForwardHeaders([]string{"Caller-Type"})}
	group := e.Group("/api/v1")
	group.GET("/settings", api.GetSettings(provider))
	group.Any("/*", api.TemporalAPIHandler(provider, forward, u.conn))
	route.SetHealthRoute(e)
	route.SetRenderRoute(e, "")
	return e, route.SetUIRoutes(e, "", pages)
}

func (u *ui) url() string {
	if u == nil {
		return ""
	}
	a := u.listener.Addr().(*net.TCPAddr)
	return "http://" + net.JoinHostPort(reachable(a.IP.String()), fmt.Sprint(a.Port))
}

// close ends the UI and every connection to it.
func (u *ui) close() {
	if u == nil {
		return
	}
	// Requests of a browser are not worth waiting for, and nothing is written
	// that a failed close could lose.
	_ = u.listener.Close()
	if u.served != nil {
		_ = u.server.Close()
		<-u.served
	}
	if u.conn != nil {
		_ = u.conn.Close()
	}
}

// ownSiteOnly refuses requests that a page of another site makes a browser send:
// those whose Host is a name, which any site can have resolved to this address,
// and those whose Origin is not the UI itself.
func ownSiteOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := strings.Trim(host, "[]"); host != "localhost" && net.ParseIP(ip) == nil {
			http.Error(w, "use this machine's IP address, or localhost", http.StatusForbidden)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
				http.Error(w, "requests of other sites are refused", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
