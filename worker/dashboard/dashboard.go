// Package dashboard is a worker's pages for people: what is in the cache and why it is
// kept, the runs from fetch to cleanup, fuzzers as they go, crashes and findings, the
// hosts, the store. Every page has a twin in JSON under /api/v1.
//
//	/                      the disk, warnings, what happened last
//	/entries, /entries/{key}
//	/runs, /run            Temporal's runs of this worker's queues
//	/fuzzing               campaigns under way
//	/crashes, /crashes/{signature}, /crashes/{signature}/inputs/{sha256}
//	/findings, /result     stored results and what is in them
//	/hosts                 who polls the queues
//	/store                 targets, results and corpora
//	/events                live parts, as server-sent events
//
// It changes something (pin, unpin, clean up, gc) for those alone whom Options.Access
// lets, and never for another site's pages. Who reaches it at all is the server's
// business: package web.
//
// No request walks a tree: the cache is asked what its records say, and what one browser
// has asked is the answer for all others for some seconds. What comes from targets,
// fuzzers and logs is hostile: it is text on every page, with what is invisible made
// visible, and bytes of it leave as downloads alone.
package dashboard

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace"
)

// Store is an object store as the pages need it. One that is a target.ResultLister, too, has
// its results listed.
type Store interface {
	target.Store
	target.Results
	target.Blobs
}

// Access is what the maker of a request may do.
type Access struct {
	Possible bool // there is a token to log in with
	Granted  bool // this request bears it: it may change something
}

// Queue is a task queue that the worker polls, and how it calls itself there.
type Queue struct {
	Name     string
	Identity pollers.Identity
}

// Options say what is shown.
type Options struct {
	Cache *workspace.Cache
	Store Store
	TTL   time.Duration // CACHE_TTL, as the cache was opened with; 0: none

	// Temporal returns the worker's client, or nil while there is none. Nil: there never is one.
	Temporal  func() client.Client
	Namespace string
	UI        string // address of Temporal's web UI, "http://host:port"; "": not known
	Queues    []Queue

	// Access says what the maker of a request may do. Nil: look.
	Access func(*http.Request) Access

	Isolation string // how tools are confined here, for people
	Version   string // Cordon's own
	Logger    *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Dashboard is the handler. It is safe for concurrent use, and runs nothing of its own while
// nobody looks.
type Dashboard struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time
	started time.Time
	machine string
	crash   *crash.Store
	mux     *http.ServeMux
	sites   *http.CrossOriginProtection
	live    hub

	usage     *memo[workspace.Usage]
	entries   *memo[[]workspace.Entry]
	journal   *memo[[]workspace.Event]
	open      *memo[[]openRun]
	campaigns *memo[campaigns]
	hosts     *memo[hosts]
	crashes   *memo[[]crash.Bug]
	targets   *memo[[]target.Info]
	results   *memo[[]target.ResultInfo]
	corpora   *memo[[]corpus.Info]
	timelines kept[execution, *timeline]
	tallies   kept[tallyOf, *tally]
	speeds    speeds
}

// For how long an answer is good. What is asked of the machine is as fresh as a page that
// is live has it; Temporal and the store may be far away, and theirs to load.
const (
	localAge    = 2 * time.Second
	temporalAge = 2 * time.Second
	pollersAge  = 15 * time.Second
	storeAge    = 20 * time.Second
)

// New returns the handler.
func New(opts Options) *Dashboard {
	d := &Dashboard{opts: opts, log: cmp.Or(opts.Logger, slog.Default()), now: opts.Now, mux: http.NewServeMux(), sites: http.NewCrossOriginProtection()}
	if d.now == nil {
		d.now = time.Now
	}
	d.started = d.now()
	d.machine, _ = os.Hostname() // it is for people
	// A damaged record is told when the crashes are listed for somebody who can do something
	// about it ('cordon crashes list'); here it would be told every few seconds.
	d.crash = crash.NewStore(opts.Store, slog.New(slog.NewTextHandler(io.Discard, nil)))

	d.usage = newMemo(localAge, func(context.Context) (workspace.Usage, error) { return opts.Cache.Usage() })
	d.entries = newMemo(localAge, func(context.Context) ([]workspace.Entry, error) { return opts.Cache.Entries() })
	d.journal = newMemo(localAge, d.followJournal())
	d.open = newMemo(temporalAge, d.loadOpen)
	d.campaigns = newMemo(temporalAge, d.loadCampaigns)
	d.hosts = newMemo(pollersAge, d.loadHosts)
	d.crashes = newMemo(storeAge, func(ctx context.Context) ([]crash.Bug, error) { return d.crash.List(ctx, crash.Filter{}) })
	d.targets = newMemo(storeAge, d.loadTargets)
	d.results = newMemo(storeAge, d.loadResults)
	d.corpora = newMemo(storeAge, d.loadCorpora)
	d.live.topics = map[string]func(context.Context) (any, error){
		"overview": d.overview, "fuzzing": d.fuzzing, "hosts": d.hostsPage,
		"runs": func(ctx context.Context) (any, error) { return d.runs(ctx, runsQuery{}) },
	}
	d.live.render = d.renderLive
	d.route()
	return d
}

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	d.mux.ServeHTTP(w, r)
}

// policy is what a page may do: load what is embedded here, and nothing else. There is no
// script and no style in a page itself, so that what slips into one cannot act.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (d *Dashboard) access(r *http.Request) Access {
	if d.opts.Access == nil {
		return Access{}
	}
	return d.opts.Access(r)
}

// temporal returns the client, or nil.
func (d *Dashboard) temporal() client.Client {
	if d.opts.Temporal == nil {
		return nil
	}
	return d.opts.Temporal()
}

// route says what is where.
func (d *Dashboard) route() {
	d.page("/{$}", "overview", func(r *http.Request) (any, error) { return d.overview(r.Context()) })
	d.page("/entries", "entries", d.entriesPage)
	d.page("/entries/{key}", "entry", d.entryPage)
	d.page("/runs", "runs", func(r *http.Request) (any, error) { return d.runs(r.Context(), runsQueryOf(r)) })
	d.page("/run", "run", d.runPage)
	d.page("/fuzzing", "fuzzing", func(r *http.Request) (any, error) { return d.fuzzing(r.Context()) })
	d.page("/crashes", "crashes", d.crashesPage)
	d.page("/crashes/{signature}", "crash", d.crashPage)
	d.page("/findings", "findings", d.findingsPage)
	d.page("/result", "result", d.resultPage)
	d.page("/hosts", "hosts", func(r *http.Request) (any, error) { return d.hostsPage(r.Context()) })
	d.page("/store", "store", d.storePage)
	d.mux.HandleFunc("GET /crashes/{signature}/inputs/{sha256}", d.downloadInput)
	d.mux.HandleFunc("GET /result/download", d.downloadResult)
	d.mux.HandleFunc("GET /events", d.events)
	d.mux.HandleFunc("GET "+api+"/events", d.events)
	d.mux.HandleFunc("GET /assets/{name}", asset)
	d.mux.HandleFunc("GET /favicon.ico", asset) // what browsers ask for where a page names none

	d.change("/entries/{key}/pin", "", d.pin)
	d.change("/entries/{key}/unpin", "", d.unpin)
	d.change("/entries/{key}/cleanup", "", d.cleanup)
	d.change("/gc/plan", "gc", d.planCollection)
	d.change("/gc/run", "gc", d.collect)
	d.mux.HandleFunc("/", d.nowhere)
}
