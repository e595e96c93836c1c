package dashboard

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// attach sends bytes that somebody else made, as a file. A browser never shows them, whatever
// they are: as what it would not run, not guessed at, and without any rights if it did.
func attach(w http.ResponseWriter, name, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	_, _ = w.Write(body) // a browser that is gone needs no file
}

// downloadInput sends a crash's input.
func (d *Dashboard) downloadInput(w http.ResponseWriter, r *http.Request) {
	bug, _, err := d.crash.Get(r.Context(), r.PathValue("signature"), r.URL.Query().Get("lineage"))
	if err != nil {
		d.fail(w, r, err)
		return
	}
	in, ok := bug.Input(r.PathValue("sha256"))
	if !ok {
		d.fail(w, r, &cordon.Error{Kind: cordon.TargetNotFound, Op: "download input", Name: fmt.Sprintf("%.80q", r.PathValue("sha256")),
			Err: fmt.Errorf("crash %s has no such input", bug.Signature), Fix: "choose one of its page"})
		return
	}
	body, err := d.crash.Read(r.Context(), in)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	// Both are digests in hexadecimal digits.
	attach(w, "crash-"+bug.Signature+"-"+in.SHA256[:min(12, len(in.SHA256))]+".bin", "application/octet-stream", body)
}

// downloadResult sends a stored result.
func (d *Dashboard) downloadResult(w http.ResponseWriter, r *http.Request) {
	id, format := r.URL.Query().Get("workflow"), target.ResultFormat(r.URL.Query().Get("format"))
	body, err := d.opts.Store.GetResult(r.Context(), id, format)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	attach(w, fileName(id)+"."+format, "application/octet-stream", body)
}

// fileName makes a file's name of an id, which may hold anything.
func fileName(id string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			return c
		}
		return '-'
	}, id)
	const most = 100 // file systems end a name at 255 bytes
	return name[:min(len(name), most)]
}
