package web

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"
)

// profileMost is more than anybody waits for a profile.
const profileMost = 10 * time.Minute

// mountPprof adds Go's profiles, under the rules of the pages and the names that
// `go tool pprof` and `go tool trace` ask for. The standard library's own handlers would
// do, but bring a third of a megabyte that only merges profiles.
func mountPprof(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", profiles)
	mux.HandleFunc("/debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, strings.Join(os.Args, "\x00"))
	})
	mux.HandleFunc("/debug/pprof/profile", recorded(30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile))
	mux.HandleFunc("/debug/pprof/trace", recorded(time.Second, trace.Start, trace.Stop))
}

// profiles lists the profiles there are, or returns the one that is named: for people
// with debug=1 or 2, else for tools. gc=1 collects garbage before a heap's.
func profiles(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/debug/pprof/")
	debug, _ := strconv.Atoi(r.FormValue("debug")) // what is no number is for tools
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if name == "" {
		for _, p := range pprof.Profiles() {
			fmt.Fprintf(w, "%d\t%s\n", p.Count(), p.Name())
		}
		fmt.Fprint(w, "\tprofile\t?seconds=30, of the CPU\n\ttrace\t?seconds=1\n\tcmdline\n")
		return
	}
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, "there is no such profile", http.StatusNotFound)
		return
	}
	if gc, _ := strconv.Atoi(r.FormValue("gc")); name == "heap" && gc > 0 {
		runtime.GC()
	}
	if debug == 0 {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	_ = p.WriteTo(w, debug) // whoever asked has gone
}

// recorded returns what answers with what start writes until stop, after as many seconds
// as are asked for, or usually.
func recorded(usually time.Duration, start func(io.Writer) error, stop func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wait := usually
		if n, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && n > 0 {
			wait = min(time.Duration(n*float64(time.Second)), profileMost)
		}
		// Where it cannot be moved the server's own deadline holds, and cuts the answer off.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + writeTime))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Type", "application/octet-stream")
		if err := start(w); err != nil { // somebody else records
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer stop()
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
	}
}
