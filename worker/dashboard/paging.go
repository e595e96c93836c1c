package dashboard

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/cordonlabs/cordon"
)

// pageSize is how many rows a page has: more are no longer looked through but searched.
const pageSize = 50

// Paging says which part of a list a page has.
type Paging struct {
	Page  int `json:"page"` // from 1
	Pages int `json:"pages"`
	Total int `json:"total"` // rows
	First int `json:"first"` // row of the page, from 1; 0 where there is none
	Last  int `json:"last"`
}

// Previous and Next are the pages beside this one; 0 where there is none.
func (p Paging) Previous() int { return max(p.Page-1, 0) }

// Next is the page after this one, or 0.
func (p Paging) Next() int {
	if p.Page >= p.Pages {
		return 0
	}
	return p.Page + 1
}

// paged returns the rows of the page that the request wants. One behind the last page is the
// last: a list may have become shorter.
func paged[T any](r *http.Request, all []T, size int) ([]T, Paging, error) {
	p := Paging{Page: 1, Pages: max((len(all)+size-1)/size, 1), Total: len(all)}
	if want := r.URL.Query().Get("page"); want != "" {
		n, err := strconv.Atoi(want)
		if err != nil || n < 1 {
			return nil, p, &cordon.Error{Kind: cordon.InvalidArgument, Op: "show page", Name: fmt.Sprintf("%.40q", want),
				Err: fmt.Errorf("it is no number of a page"), Fix: "pages count from 1"}
		}
		p.Page = min(n, p.Pages)
	}
	from := (p.Page - 1) * size
	to := min(from+size, len(all))
	if to > from {
		p.First, p.Last = from+1, to
	}
	return all[from:to:to], p, nil
}
