package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Access is what the maker of a request may do.
type Access struct {
	Token bool // one is set: who bears it may change something
	Bears bool // this request bears it
}

type accessKey struct{}

// AccessOf returns what the maker of a request that the server let through may do. Pages
// need not ask before they change something (only who may gets there), but show by it
// what can be done.
func AccessOf(r *http.Request) Access {
	a, _ := r.Context().Value(accessKey{}).(Access)
	return a
}

// gate decides over requests to the pages' listener.
type gate struct {
	token    [sha256.Size]byte // of its text; compared so that the time tells nothing, its length neither
	has      bool              // there is a token
	loopback bool              // the listener's address is
	session  [sha256.Size]byte // the key of the cookies; a new one at each start
	sites    *http.CrossOriginProtection
}

func newGate(token string, loopback bool) *gate {
	g := &gate{token: sha256.Sum256([]byte(token)), has: token != "", loopback: loopback, sites: http.NewCrossOriginProtection()}
	_, _ = rand.Read(g.session[:]) // it never fails
	return g
}

// guard lets through to next what may pass.
func (g *gate) guard(next http.Handler) http.Handler {
	return harden(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.sites.Check(r); err != nil {
			http.Error(w, "This request was made by another site, and changes nothing here.", http.StatusForbidden)
			return
		}
		access := Access{Token: g.has, Bears: g.bears(r)}
		foreign := g.loopback && !local(r.Host)
		own := g.loopback && !foreign // made by a user of this machine, in the knowledge of it
		switch {
		case access.Bears, g.has && r.URL.Path == "/login", reads(r) && (own || !g.loopback && open(r.URL.Path)):
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accessKey{}, access)))
		case g.has:
			g.ask(w, r)
		case foreign:
			http.Error(w, fmt.Sprintf("This address is for this machine alone, and %.100q is not a name of it: ask for localhost. "+
				"Under another name it answers with a token only (WORKER_HTTP_TOKEN).", r.Host), http.StatusForbidden)
		default:
			http.Error(w, "Read-only: the worker was started without WORKER_HTTP_TOKEN.", http.StatusForbidden)
		}
	}))
}

// open reports whether a page is shown to everybody who reaches it.
func open(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// reads reports whether a request changes nothing.
func reads(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// local reports whether the Host of a request is a name that only this machine has.
// Whoever owns another name can let it lead here, and read in a browser what is here.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host // without a port
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") { // RFC 6761
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.IsLoopback()
}

// bears reports whether a request has the token, or the cookie that stands for it.
func (g *gate) bears(r *http.Request) bool {
	if !g.has {
		return false
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && g.right(strings.TrimSpace(token)) {
		return true
	}
	return g.loggedIn(r)
}

func (g *gate) right(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return g.has && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// ask answers who may not, and could with the token.
func (g *gate) ask(w http.ResponseWriter, r *http.Request) {
	if reads(r) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		SeeOther(w, Root(r)+"login?next="+url.QueryEscape(r.URL.RequestURI()))
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="cordon"`)
	http.Error(w, "This needs the worker's WORKER_HTTP_TOKEN: send it as 'Authorization: Bearer TOKEN', or log in at /login.", http.StatusUnauthorized)
}

// harden tells browsers to do with an answer only what it is for. A page may say more.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
