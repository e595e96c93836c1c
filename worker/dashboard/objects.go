package dashboard

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target"
)

// Objects is a page of what is in the store.
type Objects struct {
	What    string        `json:"what"` // "targets", "corpora"
	Targets []TargetRow   `json:"targets,omitempty"`
	Corpora []corpus.Info `json:"corpora,omitempty"`
	Paging  Paging        `json:"paging"`
	Bytes   int64         `json:"bytes"` // of all that the filter takes
	Cut     bool          `json:"cut"`   // the store has more than are listed
}

// TargetRow is a target, and how often the cache has it.
type TargetRow struct {
	ID       cordon.TargetID `json:"target_id"`
	Bytes    int64           `json:"bytes"`
	ETag     string          `json:"etag"`
	Modified time.Time       `json:"modified"`
	Entries  int             `json:"entries"`
}

func (d *Dashboard) loadTargets(ctx context.Context) ([]target.Info, error) {
	var all []target.Info
	for info, err := range d.opts.Store.List(ctx) {
		if cordon.KindOf(err) == cordon.TargetNotFound {
			break // the place for targets: the first Put makes it
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, info); len(all) > mostListed {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b target.Info) int { return b.Modified.Compare(a.Modified) })
	return all, nil
}

func (d *Dashboard) loadCorpora(ctx context.Context) ([]corpus.Info, error) {
	return corpus.List(ctx, d.opts.Store, "", corpus.Options{Log: d.log})
}

func (d *Dashboard) storePage(r *http.Request) (any, error) {
	switch what := r.URL.Query().Get("what"); what {
	case "", "targets":
		return d.targetsPage(r)
	case "corpora":
		return d.corporaPage(r)
	default:
		return nil, unknownChoice("kind of object", what, map[string]bool{"targets": true, "corpora": true})
	}
}

func (d *Dashboard) targetsPage(r *http.Request) (any, error) {
	all, err := d.targets.get(r.Context())
	if err != nil {
		return nil, err
	}
	entries, err := d.entries.get(r.Context())
	if err != nil {
		return nil, err
	}
	p := Objects{What: "targets", Targets: []TargetRow{}, Cut: len(all) > mostListed}
	find := strings.ToLower(strings.TrimSpace(r.URL.Query().Get("q")))
	var taken []target.Info
	for _, info := range all {
		if strings.Contains(strings.ToLower(info.ID.String()), find) {
			taken = append(taken, info)
			p.Bytes += info.Size
		}
	}
	rows, paging, err := paged(r, taken, pageSize)
	if err != nil {
		return nil, err
	}
	p.Paging = paging
	cached := map[string]int{}
	for _, e := range entries {
		cached[e.Target.String()]++
	}
	for _, info := range rows {
		p.Targets = append(p.Targets, TargetRow{info.ID, info.Size, info.ETag, info.Modified, cached[info.ID.String()]})
	}
	return p, nil
}

func (d *Dashboard) corporaPage(r *http.Request) (any, error) {
	all, err := d.corpora.get(r.Context())
	if err != nil {
		return nil, err
	}
	p := Objects{What: "corpora"}
	find := strings.ToLower(strings.TrimSpace(r.URL.Query().Get("q")))
	var taken []corpus.Info
	for _, info := range all {
		if strings.Contains(strings.ToLower(info.Path+" "+info.Lineage+" "+info.Harness), find) {
			taken = append(taken, info)
			p.Bytes += info.Bytes
		}
	}
	rows, paging, err := paged(r, taken, pageSize)
	p.Corpora, p.Paging = append([]corpus.Info{}, rows...), paging
	return p, err
}
