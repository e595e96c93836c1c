package sarif

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// maxPath is the longest path that Linux takes (PATH_MAX), in bytes.
const maxPath = 4096

// path returns where in the workspace a location is, with slashes, or "" where it is
// elsewhere or unknown (§3.4).
func (r *reader) path(one *run, l artifactLocation) string {
	if i := l.Index; l.URI == "" && i != nil && *i >= 0 && *i < len(one.Artifacts) {
		l = one.Artifacts[*i].Location
	}
	if l.URI == "" || len(l.URI) > 3*maxPath { // each byte of a path may be spelled by three
		return ""
	}
	p, ok := pathOf(l.URI)
	// A base may have a base itself. What has none, or goes in circles, is relative to the workspace.
	for depth := 0; ok && !path.IsAbs(p) && l.URIBaseID != "" && depth < 8; depth++ {
		base, known := one.BaseIDs[l.URIBaseID]
		if !known {
			break
		}
		if base.URI != "" {
			var dir string
			dir, ok = pathOf(base.URI)
			p = path.Join(dir, p)
		}
		l = base
	}
	if !ok || strings.ContainsRune(p, 0) {
		return ""
	}
	if !path.IsAbs(p) {
		return local(p)
	}
	for _, root := range r.roots {
		if rel, err := filepath.Rel(root, path.Clean(p)); err == nil && local(rel) != "" {
			return local(rel)
		}
	}
	return ""
}

// local returns a relative path cleaned, or "" where it leads out of the workspace.
func local(p string) string {
	p = path.Clean(p)
	if p == "." || !filepath.IsLocal(p) || len(p) > maxPath {
		return ""
	}
	return strings.ToValidUTF8(p, "\uFFFD")
}

// pathOf returns the path of a file URI or of a relative reference. Many tools write
// plain paths where a URI belongs: what does not read as one is taken as it is.
func pathOf(uri string) (string, bool) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return uri, !strings.Contains(uri, "://")
	case u.Scheme == "file":
		return u.Path, u.Host == "" || u.Host == "localhost"
	case u.Scheme != "" || u.Host != "":
		return "", false
	}
	return u.Path, u.Path != ""
}
