package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookie is the name of the cookie that stands for the token. It has no port in it, as
// cookies have none: a server on another port of this host is sent it too. So it is not the
// token, and good for this process alone.
const cookie = "cordon"

// sessionTime is how long a login is good for: a day at work.
const sessionTime = 12 * time.Hour

// loggedIn reports whether a request has a cookie that login made.
func (g *gate) loggedIn(r *http.Request) bool {
	c, err := r.Cookie(cookie)
	if err != nil {
		return false
	}
	until, sum, _ := strings.Cut(c.Value, ".")
	unix, err := strconv.ParseInt(until, 10, 64)
	return subtle.ConstantTimeCompare([]byte(sum), []byte(g.sign(until))) == 1 && err == nil && time.Now().Before(time.Unix(unix, 0))
}

func (g *gate) sign(until string) string {
	mac := hmac.New(sha256.New, g.session[:])
	mac.Write([]byte(until))
	return hex.EncodeToString(mac.Sum(nil))
}

var formPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Cordon: log in</title>
<h1>Cordon</h1>
{{if .Wrong}}<p role="alert"><strong>That is not the token.</strong></p>{{end}}
<form method="post" action="login">
<input type="hidden" name="next" value="{{.Next}}">
<p><label for="token">The worker's token (<code>WORKER_HTTP_TOKEN</code>)</label></p>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></p>
</form></html>
`))

// formData is what the form shows.
type formData struct {
	Next  string // where it leads
	Wrong bool
}

// form shows the form that asks for the token.
func (g *gate) form(w http.ResponseWriter, r *http.Request) {
	if !g.has {
		http.Error(w, "There is no token to log in with: the worker was started without WORKER_HTTP_TOKEN.", http.StatusNotFound)
		return
	}
	show(w, http.StatusOK, formData{Next: inside(r.URL.Query().Get("next"))})
}

func show(w http.ResponseWriter, status int, d formData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = formPage.Execute(w, d) // a client that is gone needs no answer
}

// login takes the form, and gives a cookie to who knew the token.
func (g *gate) login(w http.ResponseWriter, r *http.Request) {
	next := inside(r.PostFormValue("next"))
	if !g.right(r.PostFormValue("token")) {
		show(w, http.StatusUnauthorized, formData{Next: next, Wrong: true})
		return
	}
	until := time.Now().Add(sessionTime)
	text := strconv.FormatInt(until.Unix(), 10)
	set(w, text+"."+g.sign(text), until)
	SeeOther(w, Root(r)+strings.TrimPrefix(next, "/"))
}

// logout takes the cookie away.
func (g *gate) logout(w http.ResponseWriter, r *http.Request) {
	set(w, "", time.Unix(1, 0))
	SeeOther(w, Root(r))
}

// set sets the cookie. It is not Secure: the server speaks HTTP, and a proxy with TLS in
// front of it may leave a part of the way without. It names no path, and so is that of the
// pages of this worker, wherever a proxy has them: a browser takes the form's own folder.
func set(w http.ResponseWriter, value string, until time.Time) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Expires: until, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// inside returns where a login leads: next where it is a path of this server, never
// another server's.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, `\`) ||
		slices.Contains(strings.Split(u.Path, "/"), "..") {
		return "/"
	}
	return u.RequestURI()
}
