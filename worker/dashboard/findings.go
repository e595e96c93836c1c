package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/target"
)

// Findings is a page of the results in the store, the latest first.
type Findings struct {
	Results  []ResultRow `json:"results"`
	Paging   Paging      `json:"paging"`
	Cut      bool        `json:"cut"` // the store has more than are listed
	Problems []string    `json:"problems,omitempty"`
}

// ResultRow is what runs stored under one workflow id.
type ResultRow struct {
	WorkflowID string    `json:"workflow_id"`
	Known      bool      `json:"known"` // WorkflowID is that, and not the key that stands for one too long
	Formats    []string  `json:"formats"`
	Bytes      int64     `json:"bytes"`
	Modified   time.Time `json:"modified"`
	Tally      *tally    `json:"findings,omitempty"` // null where it is too large to count, or has none

	json int64 // bytes of results.json
}

// tally is how many findings a result has.
type tally struct {
	Target     string                   `json:"target_id"`
	Total      int                      `json:"total"`
	BySeverity map[finding.Severity]int `json:"by_severity"`
}

// tallyOf names one content of a result.
type tallyOf struct {
	workflow string
	modified time.Time
}

// Bounds of what is listed, and of what is read for a page.
const (
	mostListed  = 10_000
	mostTallied = 1 * cordon.MB
	mostShown   = 32 * cordon.MB
)

func (d *Dashboard) loadResults(ctx context.Context) ([]target.ResultInfo, error) {
	lister, ok := d.opts.Store.(target.ResultLister)
	if !ok {
		return nil, nil
	}
	var all []target.ResultInfo
	for info, err := range lister.ListResults(ctx) {
		if err != nil {
			return nil, err
		}
		if all = append(all, info); len(all) > mostListed {
			break
		}
	}
	return all, nil
}

func (d *Dashboard) findingsPage(r *http.Request) (any, error) {
	all, err := d.results.get(r.Context())
	if err != nil {
		return nil, err
	}
	find := strings.ToLower(strings.TrimSpace(r.URL.Query().Get("q")))
	var rows []ResultRow
	for _, row := range resultRows(all) {
		if find == "" || strings.Contains(strings.ToLower(row.WorkflowID), find) {
			rows = append(rows, row)
		}
	}
	rows, paging, err := paged(r, rows, runsOnPage)
	if err != nil {
		return nil, err
	}
	p := Findings{Results: append([]ResultRow{}, rows...), Paging: paging, Cut: len(all) > mostListed}
	for i := range p.Results {
		row := &p.Results[i]
		if !row.Known || row.json == 0 || row.json > mostTallied {
			continue
		}
		of := tallyOf{row.WorkflowID, row.Modified}
		if t, ok := d.tallies.get(of); ok {
			row.Tally = t
			continue
		}
		result, err := d.readResult(r.Context(), row.WorkflowID)
		if cordon.KindOf(err) == cordon.StorageUnavailable {
			p.Problems = append(p.Problems, problem("the store", err))
			break
		}
		if err == nil { // what is no result of Cordon's is not counted
			row.Tally = result.tally()
			d.tallies.put(of, row.Tally)
		}
	}
	return p, nil
}

// resultRows puts the formats of each workflow's result together, the latest first.
func resultRows(all []target.ResultInfo) []ResultRow {
	byDir := map[string]*ResultRow{}
	for _, info := range all {
		dir, file, _ := strings.Cut(info.Key, "/")
		row := byDir[dir]
		if row == nil {
			row = &ResultRow{WorkflowID: dir}
			if id, err := url.PathUnescape(dir); err == nil {
				if key, err := target.ResultKey(id, "json"); err == nil && strings.HasPrefix(key, dir+"/") {
					row.WorkflowID, row.Known = id, true
				}
			}
			byDir[dir] = row
		}
		format := strings.TrimPrefix(file, "results.")
		row.Formats = append(row.Formats, format)
		row.Bytes += info.Size
		if format == "json" {
			row.json = info.Size
		}
		if info.Modified.After(row.Modified) {
			row.Modified = info.Modified
		}
	}
	rows := make([]ResultRow, 0, len(byDir))
	for _, row := range byDir {
		slices.Sort(row.Formats)
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b ResultRow) int {
		if c := b.Modified.Compare(a.Modified); c != 0 {
			return c
		}
		return strings.Compare(a.WorkflowID, b.WorkflowID)
	})
	return rows
}

// result is what is read of a stored result. Others than Cordon's may lack anything.
type result struct {
	Workflow string            `json:"workflow_id"`
	Target   string            `json:"target_id"`
	Status   string            `json:"status"`
	Findings []finding.Finding `json:"findings"`
}

func (r result) tally() *tally {
	t := &tally{Target: r.Target, Total: len(r.Findings), BySeverity: map[finding.Severity]int{}}
	for _, f := range r.Findings {
		t.BySeverity[f.Severity]++
	}
	return t
}

func (d *Dashboard) readResult(ctx context.Context, id string) (result, error) {
	var res result
	body, err := d.opts.Store.GetResult(ctx, id, "json")
	if err != nil {
		return res, err
	}
	if int64(len(body)) > mostShown {
		return res, &cordon.Error{Kind: cordon.TargetTooLarge, Op: "show result", Name: fmt.Sprintf("%.200q", id),
			Err: fmt.Errorf("it has %s", cordon.FormatBytes(int64(len(body)))), Fix: "download it"}
	}
	if err := json.Unmarshal(body, &res); err != nil {
		return res, &cordon.Error{Kind: cordon.InvalidArgument, Op: "show result", Name: fmt.Sprintf("%.200q", id),
			Err: errors.New("it is no result with findings as Cordon stores them"), Fix: "download it"}
	}
	return res, nil
}

// ResultPage is what is in a result.
type ResultPage struct {
	WorkflowID string            `json:"workflow_id"`
	Status     string            `json:"status"`
	Tally      *tally            `json:"tally"`
	Findings   []finding.Finding `json:"findings"` // of the page, the worst first
	Paging     Paging            `json:"paging"`
	SARIF      bool              `json:"sarif"` // there is one, too
	UI         string            `json:"temporal_url,omitempty"`
}

func (d *Dashboard) resultPage(r *http.Request) (any, error) {
	id := r.URL.Query().Get("workflow")
	res, err := d.readResult(r.Context(), id)
	if err != nil {
		return nil, err
	}
	p := ResultPage{WorkflowID: id, Status: res.Status, Tally: res.tally(), UI: d.uiURL("workflows", id)}
	if all, err := d.results.get(r.Context()); err == nil { // else only a link is missing
		if key, err := target.ResultKey(id, "sarif"); err == nil {
			p.SARIF = slices.ContainsFunc(all, func(i target.ResultInfo) bool { return i.Key == key })
		}
	}
	want := finding.Severity(r.URL.Query().Get("severity"))
	list := slices.DeleteFunc(res.Findings, func(f finding.Finding) bool { return want != "" && f.Severity != want })
	finding.Sort(list)
	rows, paging, err := paged(r, list, pageSize)
	p.Findings, p.Paging = append([]finding.Finding{}, rows...), paging
	return p, err
}
