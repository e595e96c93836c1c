package dashboard

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"time"
)

// files are the templates, the stylesheet, the script and the icon: all that a page loads.
//
//go:embed templates/*.html static
var files embed.FS

// build tells the files of this program from those of another one: browsers may keep
// what has it in its address.
var build = func() string {
	h := sha256.New()
	for _, name := range []string{"dashboard.css", "dashboard.js", "icon.svg"} {
		b, err := files.ReadFile("static/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}()

// asset serves what is in static.
func asset(w http.ResponseWriter, r *http.Request) {
	name := cmp.Or(r.PathValue("name"), "icon.svg")
	b, err := files.ReadFile("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == build {
		w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
}
