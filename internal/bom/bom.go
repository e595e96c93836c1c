// Package bom says what a Go program is made of, from what the linker wrote into it: as a
// software bill of materials (CycloneDX 1.6), and as the licences of its modules.
package bom

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // RFC 9562 makes name-based identifiers of it
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Document is a bill of materials, as far as it is used here.
type Document struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     Metadata     `json:"metadata"`
	Components   []Component  `json:"components"`
	Dependencies []Dependency `json:"dependencies"`
}

// Metadata says what the document is of.
type Metadata struct {
	Timestamp string    `json:"timestamp"` // RFC 3339
	Component Component `json:"component"`
}

// Component is a program or a module.
type Component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"` // "application", "library"
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl"`
	Hashes     []Hash     `json:"hashes,omitempty"`
	Properties []Property `json:"properties,omitempty"`
}

// Hash is a digest of a component's file.
type Hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hexadecimal
}

// Property is what the format has no field for.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Dependency says what is in a component.
type Dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// Of returns the bill of a program: info is what it says of itself, sha256 the digest of
// its file. The same arguments give the same document.
func Of(info *buildinfo.BuildInfo, version, sha256 string, when time.Time) Document {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	main := component("application", info.Main.Path, cmp.Or(version, info.Main.Version))
	main.Name = path.Base(info.Path)
	main.Hashes = []Hash{{"SHA-256", sha256}}
	for _, key := range []string{"GOOS", "GOARCH", "CGO_ENABLED", "vcs.revision", "vcs.time", "vcs.modified"} {
		if v := settings[key]; v != "" {
			main.Properties = append(main.Properties, Property{"cordon:build:" + key, v})
		}
	}
	// What is in every Go program, and has vulnerabilities of its own.
	parts := []Component{component("library", "stdlib", strings.TrimPrefix(strings.Fields(info.GoVersion)[0], "go"))}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component("library", m.Path, m.Version)
		if m.Sum != "" {
			c.Properties = []Property{{"cordon:go.sum", m.Sum}}
		}
		parts = append(parts, c)
	}
	slices.SortFunc(parts, func(a, b Component) int { return strings.Compare(a.Ref, b.Ref) })
	top := Dependency{Ref: main.Ref}
	for _, c := range parts {
		top.DependsOn = append(top.DependsOn, c.Ref)
	}
	return Document{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: serial(main.PURL + " " + sha256),
		Metadata:     Metadata{when.UTC().Format(time.RFC3339), main},
		Components:   parts, Dependencies: []Dependency{top},
	}
}

// component names a module by its package URL.
func component(kind, name, version string) Component {
	var segments []string
	for s := range strings.SplitSeq(name, "/") {
		segments = append(segments, url.PathEscape(s))
	}
	purl := "pkg:golang/" + strings.Join(segments, "/")
	if version != "" {
		purl += "@" + strings.ReplaceAll(url.PathEscape(version), "+", "%2B")
	}
	return Component{Ref: purl, Type: kind, Name: name, Version: version, PURL: purl}
}

// serial is a UUID (version 5) of a name: two runs give one program one number.
func serial(name string) string {
	h := sha1.Sum([]byte("https://github.com/cordonlabs/cordon " + name)) //nolint:gosec // as above
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// JSON renders the document.
func (d Document) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}
