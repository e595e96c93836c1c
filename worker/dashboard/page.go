package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker/web"
)

// api is where the twins of the pages in JSON are.
const api = "/api/v1"

// loader makes what a page shows, and its twin is.
type loader func(*http.Request) (any, error)

// view is what a template is given.
type view struct {
	Page   string // the template's name
	Title  string
	Model  any
	Access Access
	Path   string // of the page
	Here   string // and its parameters
	Query  url.Values
	Twin   string // the page in JSON
	Did    string // what a form that led here has done
	Site   site
}

// site is what all pages know.
type site struct {
	Host, Machine, Version string
	UI                     string // of Temporal, its runs; "" where that is not known
}

func (d *Dashboard) site() site {
	s := site{Host: d.opts.Cache.HostID(), Machine: d.machine, Version: d.opts.Version}
	if d.opts.UI != "" {
		s.UI = d.uiURL("workflows")
	}
	return s
}

// uiURL returns an address in Temporal's UI, below the namespace, or "".
func (d *Dashboard) uiURL(parts ...string) string {
	if d.opts.UI == "" {
		return ""
	}
	at := strings.TrimSuffix(d.opts.UI, "/") + "/namespaces/" + url.PathEscape(d.opts.Namespace)
	for _, p := range parts {
		at += "/" + url.PathEscape(p)
	}
	return at
}

// page serves a page, and its twin.
func (d *Dashboard) page(path, name string, load loader) {
	d.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		model, err := load(r)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		d.show(w, r, http.StatusOK, name, model)
	})
	d.mux.HandleFunc("GET "+api+twinOf(path), func(w http.ResponseWriter, r *http.Request) {
		model, err := load(r)
		d.answer(w, model, err)
	})
}

func twinOf(path string) string {
	if path == "/{$}" {
		return "/overview"
	}
	return path
}

// show renders a page. It is made in memory first: a page that breaks off in the middle
// looks like one that is whole.
func (d *Dashboard) show(w http.ResponseWriter, r *http.Request, status int, name string, model any) {
	v := view{
		Page: name, Title: titles[name], Model: model, Access: d.access(r), Path: r.URL.Path, Query: r.URL.Query(), Site: d.site(),
		Did: dids[r.URL.Query().Get("did")], Here: "/",
	}
	if r.Method == http.MethodGet {
		v.Here = r.URL.RequestURI()
		v.Twin = api + cmp.Or(strings.TrimSuffix(r.URL.Path, "/"), "/overview")
		if r.URL.RawQuery != "" {
			v.Twin += "?" + r.URL.RawQuery
		}
	}
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		d.log.Error("a page of the dashboard cannot be rendered", "page", name, "error", err)
		http.Error(w, "This page cannot be shown; the worker's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(relative(b.Bytes(), web.Root(r))) // a browser that is gone needs no page
}

// addresses are how the templates begin those of other pages. What they are given has no '"'
// that is not escaped, so that nothing else is like that.
var addresses = [][]byte{[]byte(`href="/`), []byte(`action="/`), []byte(`src="/`)}

// relative makes the addresses on a page, which begin with '/', lead from its root.
func relative(page []byte, root string) []byte {
	for _, a := range addresses {
		page = bytes.ReplaceAll(page, a, append(a[:len(a)-1:len(a)-1], root...))
	}
	return page
}

// renderLive renders the live part of a page, for whoever looks at it, and its twin. All
// that are live are at the root.
func (d *Dashboard) renderLive(topic string, model any) (html, twin []byte, err error) {
	var b bytes.Buffer
	if err := pages[topic].ExecuteTemplate(&b, "live", view{Page: topic, Model: model, Site: d.site(), Query: url.Values{}}); err != nil {
		return nil, nil, err
	}
	twin, err = json.Marshal(model)
	return relative(b.Bytes(), "./"), twin, err
}

// answer writes a twin.
func (d *Dashboard) answer(w http.ResponseWriter, model any, err error) {
	status := http.StatusOK
	if err != nil {
		status, model = statusOf(err), failure(err)
	}
	b, err := json.MarshalIndent(model, "", "  ")
	if err != nil {
		d.log.Error("an answer of the dashboard cannot be encoded", "error", err)
		status, b = http.StatusInternalServerError, []byte(`{"error":{"type":"","message":"this answer cannot be encoded; the worker's log says why"}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that is gone needs no answer
}

// failed is what an answer that is none has.
type failed struct {
	Type    cordon.Kind `json:"type"`
	Message string      `json:"message"`
	Fix     string      `json:"fix,omitempty"`
}

func failure(err error) map[string]failed {
	f := failed{Type: cordon.KindOf(err), Message: err.Error()}
	if e := (*cordon.Error)(nil); errors.As(err, &e) {
		f.Fix = e.Fix
	}
	return map[string]failed{"error": f}
}

// fail shows what went wrong, as a page.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if r.Context().Err() != nil {
		return // nobody waits for it
	}
	if status >= http.StatusInternalServerError {
		d.log.Warn("a page of the dashboard cannot be shown", "path", r.URL.Path, "error", err)
	}
	d.show(w, r, status, "failed", failure(err)["error"])
}

func (d *Dashboard) nowhere(w http.ResponseWriter, r *http.Request) {
	err := &cordon.Error{Kind: cordon.TargetNotFound, Op: "find page", Name: r.URL.Path, Err: errors.New("there is no such page"), Fix: "go to the overview"}
	if strings.HasPrefix(r.URL.Path, api+"/") {
		d.answer(w, nil, err)
		return
	}
	d.fail(w, r, err)
}

func statusOf(err error) int {
	switch cordon.KindOf(err) {
	case cordon.InvalidArgument:
		return http.StatusBadRequest
	case cordon.TargetNotFound:
		return http.StatusNotFound
	case cordon.PermissionDenied:
		return http.StatusForbidden
	case cordon.Busy:
		return http.StatusConflict
	case cordon.StorageUnavailable:
		return http.StatusServiceUnavailable
	case cordon.TargetTooLarge:
		return http.StatusRequestEntityTooLarge
	case cordon.NoSpace:
		return http.StatusInsufficientStorage
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// problem says of what a page leaves out why, for people.
func problem(what string, err error) string { return what + ": " + err.Error() }

// titles of the pages.
var titles = map[string]string{
	"overview": "Overview", "entries": "Entries", "entry": "Entry", "runs": "Runs", "run": "Run", "fuzzing": "Fuzzing", "crashes": "Crashes",
	"crash": "Crash", "findings": "Findings", "result": "Findings of a run", "hosts": "Hosts", "store": "Store", "gc": "Collection", "failed": "That went wrong",
}

// pages are the templates, by their names.
var pages = parsePages()

func parsePages() map[string]*template.Template {
	all := map[string]*template.Template{}
	base := template.Must(template.New("").Funcs(functions).Funcs(shapes).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	for name := range titles {
		all[name] = template.Must(template.Must(base.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return all
}
