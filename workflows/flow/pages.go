package flow

import (
	"net/url"
	"sync/atomic"

	"go.temporal.io/sdk/workflow"
)

// pages is where this process's dashboard is, for people.
var pages atomic.Pointer[string]

// SetPages says where this process's dashboard is, so that Temporal's UI leads there from
// each run; "" is nowhere. It is of the process, for what a run shows people is asked of
// whichever worker has it, and says where that one's pages are: it is not in the history.
func SetPages(address string) { pages.Store(&address) }

// pagesOf returns the address of a run's page, or "".
func pagesOf(e workflow.Execution) string {
	at := pages.Load()
	if at == nil || *at == "" {
		return ""
	}
	return *at + "/run?" + url.Values{"workflow": {e.ID}, "run": {e.RunID}}.Encode()
}
