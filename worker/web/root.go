package web

import (
	"net/http"
	"strings"
)

// Root leads from what a request asks for to where all of it begins, as a relative address:
// "./" or "../" and so on. A proxy may have the pages at a path of its own (WORKER_HTTP_URL)
// that the server is not told of, so that no address on them begins with '/'.
func Root(r *http.Request) string {
	depth := strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if depth == 0 {
		return "./"
	}
	return strings.Repeat("../", depth)
}

// SeeOther sends a browser on to a relative address. http.Redirect would make it one that
// begins with '/'.
func SeeOther(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}
