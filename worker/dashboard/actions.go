package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker/web"
	"github.com/cordonlabs/cordon/workspace"
)

// changer does what a form, or a request to its twin, asks for. Of what it returns a form's
// maker sees done, a key of dids, on the page it came from; or all of it, where the form has a
// page of its own.
type changer func(*http.Request) (model any, done string, err error)

// dids is what forms have done, for people.
var dids = map[string]string{
	"pinned":    "Pinned: it stays until somebody unpins it.",
	"unpinned":  "Unpinned: a sweep takes it when it has no other reason to stay.",
	"unneeded":  "It was not pinned.",
	"removed":   "Cleaned up: the run's directory is gone.",
	"kept":      "It stays: it is pinned, or other runs share it.",
	"scheduled": "Somebody is making it at the moment, and will throw it away.",
	"unknown":   "The cache did not hand this out; nothing was touched.",
}

// change serves what changes something, as a form and as its twin, for who may.
func (d *Dashboard) change(path, page string, do changer) {
	serve := func(respond func(http.ResponseWriter, *http.Request, any, string, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			err := d.permit(r)
			if err != nil {
				respond(w, r, nil, "", err)
				return
			}
			model, done, err := do(r)
			d.usage.forget()
			d.entries.forget()
			d.journal.forget()
			respond(w, r, model, done, err)
		}
	}
	d.mux.HandleFunc("POST "+path, serve(func(w http.ResponseWriter, r *http.Request, model any, done string, err error) {
		switch {
		case err != nil:
			d.fail(w, r, err)
		case page != "":
			d.show(w, r, http.StatusOK, page, model)
		case done == "removed": // and so is its page
			web.SeeOther(w, web.Root(r)+"entries?did=removed")
		default:
			web.SeeOther(w, web.Root(r)+link("entries/"+r.PathValue("key"), "did", done))
		}
	}))
	d.mux.HandleFunc("POST "+api+path, serve(func(w http.ResponseWriter, _ *http.Request, model any, _ string, err error) { d.answer(w, model, err) }))
}

// permit returns an error unless the request may change something.
func (d *Dashboard) permit(r *http.Request) error {
	a := d.access(r)
	e := &cordon.Error{Kind: cordon.PermissionDenied, Op: "change what is in the cache"}
	switch {
	case d.sites.Check(r) != nil:
		e.Err, e.Fix = errors.New("another site's page has asked for this"), "use the dashboard's own page"
	case a.Granted:
		return nil
	case a.Possible:
		e.Err, e.Fix = errors.New("it needs the worker's token"), "log in, or send it as 'Authorization: Bearer TOKEN'"
	default:
		e.Err, e.Fix = errors.New("the dashboard is read-only"), "start the worker with WORKER_HTTP_TOKEN"
	}
	return e
}

// pinned is what pinning and unpinning answer, as the commands do.
type pinned struct {
	Key    string `json:"key"`
	Path   string `json:"path"`
	Pinned bool   `json:"pinned"`
	Was    bool   `json:"was_pinned"`
}

// mostReason bounds the reason of a pin, in bytes.
const mostReason = 500

func (d *Dashboard) pin(r *http.Request) (any, string, error) {
	e, err := d.opts.Cache.Find(r.PathValue("key"))
	if err != nil {
		return nil, "", err
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if len(reason) > mostReason {
		return nil, "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "pin", Name: e.Key, Err: errors.New("the reason is too long"), Fix: "say it in 500 bytes"}
	}
	if err := d.opts.Cache.Pin(e.Key, cmp.Or(reason, "from the dashboard")); err != nil {
		return nil, "", err
	}
	return pinned{e.Key, e.Path, true, e.Pin != nil}, "pinned", nil
}

func (d *Dashboard) unpin(r *http.Request) (any, string, error) {
	e, err := d.opts.Cache.Find(r.PathValue("key"))
	if err != nil {
		return nil, "", err
	}
	was, err := d.opts.Cache.Unpin(e.Key)
	done := "unpinned"
	if !was {
		done = "unneeded"
	}
	return pinned{e.Key, e.Path, false, was}, done, err
}

// cleanup ends what a run has, as its own cleanup does.
func (d *Dashboard) cleanup(r *http.Request) (any, string, error) {
	e, err := d.opts.Cache.Find(r.PathValue("key"))
	if err != nil {
		return nil, "", err
	}
	if e.Kind != workspace.KindRun {
		return nil, "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "clean up", Name: e.Key,
			Err: errors.New("it is no run's own workspace"), Fix: "let a collection take it, when nobody holds it"}
	}
	cleaned, err := d.opts.Cache.Cleanup(r.Context(), e.Path, workspace.Caller{Run: e.Run})
	return cleaned, string(cleaned.Outcome), err
}

// Collection is what a collection would do, or has done.
type Collection struct {
	workspace.SweepReport
	Planned bool   `json:"planned"` // nothing was removed yet
	Keep    string `json:"keep,omitempty"`
}

// collectTime bounds a collection: it asks Temporal about runs, and renames what goes.
const collectTime = loadTimeout

func (d *Dashboard) planCollection(r *http.Request) (any, string, error) {
	opts := workspace.SweepOptions{DryRun: true}
	keep := strings.TrimSpace(r.PostFormValue("keep"))
	if keep != "" {
		opts.Shrink = true
		if keep != "0" {
			size, err := cordon.ParseSize(keep)
			if err != nil {
				return nil, "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "plan collection", Err: err, Fix: "0 keeps nothing that nobody holds"}
			}
			usage, err := d.usage.get(r.Context())
			if err != nil {
				return nil, "", err
			}
			opts.KeepBytes = size.Of(usage.DiskTotal)
		}
	}
	return d.sweep(r.Context(), opts, Collection{Planned: true, Keep: keep})
}

// collect carries a plan out, and nothing else.
func (d *Dashboard) collect(r *http.Request) (any, string, error) {
	plan := r.PostFormValue("plan")
	if plan == "" {
		return nil, "", &cordon.Error{Kind: cordon.InvalidArgument, Op: "collect", Err: errors.New("no plan was given"), Fix: "make a plan first"}
	}
	return d.sweep(r.Context(), workspace.SweepOptions{Plan: plan, Restore: true}, Collection{})
}

func (d *Dashboard) sweep(ctx context.Context, opts workspace.SweepOptions, c Collection) (any, string, error) {
	// A plan that is carried out is not left in the middle because its reader is gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), collectTime)
	defer cancel()
	report, err := d.opts.Cache.Sweep(ctx, opts)
	if err == nil && report.Busy {
		err = &cordon.Error{Kind: cordon.Busy, Op: "collect", Err: errors.New("another process is sweeping this cache; nothing was done"), Fix: "try again in a moment"}
	}
	report.Removals, report.Deferred = append([]workspace.Removal{}, report.Removals...), append([]workspace.Removal{}, report.Deferred...)
	c.SweepReport = report
	return c, "", err
}
