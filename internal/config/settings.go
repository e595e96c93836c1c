package config

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/cordonlabs/cordon"
)

// Origin is who says what a setting is. Flags beat variables, variables beat
// profiles, profiles beat defaults (CONTRACT §8.9).
type Origin string

// The origins.
const (
	FromFlag     Origin = "flag"
	FromVariable Origin = "variable"
	FromProfile  Origin = "profile" // of Temporal's configuration file
	FromDefault  Origin = "default"
)

// Setting is a variable and what it comes to.
type Setting struct {
	Name   string `json:"name"`  // of the variable, whoever says it
	Value  string `json:"value"` // as it would be spelled; "[redacted]" for a credential, "" where there is none
	Origin Origin `json:"origin"`
	Source string `json:"source,omitempty"` // which flag, variable or file; "" for a default
	Unused string `json:"unused,omitempty"` // why it has no effect, where it is set and has none
	// Problem says why the value cannot be used, Fix what to do about it.
	Problem string `json:"problem,omitempty"`
	Fix     string `json:"fix,omitempty"`
	Section string `json:"section"`
	What    string `json:"what"` // for people
	Example string `json:"-"`    // a value for a file that people fill in
}

// Settings returns every setting, and what flags (values of `cordon worker`'s, by
// their names without dashes) and environ make of it. A value that cannot be used is
// there with its problem; no credential is. It reads what FromEnv and TemporalOptions
// read, and dials nobody.
func Settings(flags map[string]string, environ []string) []Setting {
	l := &listing{flags: map[string]string{}, env: lookup{environ}, settings: map[string]*Setting{}}
	for name, value := range flags {
		if v := Variable(name); v != "" {
			l.flags[v] = value
		}
	}
	e := &env{getenv: l.get}
	w := e.worker()
	e.text(gosecVariable)
	for _, r := range e.seen {
		l.add(r)
	}
	l.derive(w)
	l.temporal()
	for _, err := range e.problems {
		l.blame(err)
	}
	return l.sorted()
}

// listing is a list of settings in the making.
type listing struct {
	flags    map[string]string // by variable
	env      lookup
	settings map[string]*Setting
	order    []string // as they were read
}

// get looks a variable up as everything does: what a flag says is above the environment.
func (l *listing) get(name string) string {
	if v := l.flags[name]; v != "" {
		return v
	}
	v, _ := l.env.LookupEnv(name)
	return v
}

// add lists what was read.
func (l *listing) add(r reading) {
	s := &Setting{Name: r.name, Value: r.value, Origin: FromVariable, Source: r.name}
	switch {
	case r.given == "":
		s.Value, s.Origin, s.Source = r.def, FromDefault, ""
		if d, err := time.ParseDuration(r.def); err == nil && d > 0 {
			s.Value = spell(d)
		}
	case l.flags[r.name] != "":
		s.Origin, s.Source = FromFlag, "--"+flagOf(r.name)
	}
	if s.Origin != FromDefault && r.secret {
		s.Value = Secret(s.Value).String()
	}
	if _, ok := l.settings[r.name]; !ok {
		l.order = append(l.order, r.name)
	}
	l.settings[r.name] = s
}

// derive fills in what comes of other settings.
func (l *listing) derive(w Worker) {
	if s := l.settings["WORKER_TASK_QUEUE"]; s.Origin == FromDefault {
		s.Value = w.TaskQueue
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		l.settings[name].Value = withoutUser(l.settings[name].Value)
	}
	endpoint := l.settings["S3_ENDPOINT"]
	endpoint.Value = withoutUser(endpoint.Value)
	region := l.settings["S3_REGION"]
	if region.Origin != FromDefault || endpoint.Value == "" {
		return
	}
	host := w.S3.Endpoint
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Host
	}
	if r := s3utils.GetRegionFromURL(url.URL{Host: host}); r != "" {
		region.Value, region.Origin, region.Source = r, endpoint.Origin, endpoint.Source
		return
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v, ok := l.env.LookupEnv(name); ok {
			region.Value, region.Origin, region.Source = v, FromVariable, name
			return
		}
	}
}

// withoutUser takes a password out of an endpoint: it is refused there, but not before
// somebody has looked at the settings.
func withoutUser(endpoint string) string {
	at := strings.LastIndex(endpoint, "@")
	if at < 0 {
		return endpoint
	}
	scheme, _, ok := strings.Cut(endpoint, "://")
	if ok {
		scheme += "://"
	} else {
		scheme = ""
	}
	return scheme + Secret(endpoint).String() + endpoint[at:]
}

// blame puts each of err's errors beside the setting that it is about.
func (l *listing) blame(err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			l.blame(one)
		}
		return
	}
	var e *cordon.Error
	if !errors.As(err, &e) {
		return // there is none: all are ours
	}
	name := e.Name
	switch {
	case name == "":
		name = "TEMPORAL_CONFIG_FILE"
	case l.settings[name] == nil: // "--address", "the profile's address"
		name = "TEMPORAL_ADDRESS"
	}
	l.settings[name].Problem, l.settings[name].Fix = e.Err.Error(), e.Fix
}

// sorted returns the settings in the order of the sections, and what is in none of
// them at the end.
func (l *listing) sorted() []Setting {
	var out []Setting
	for _, section := range sections {
		for _, a := range section.settings {
			s := l.settings[a.name]
			if s == nil {
				continue
			}
			if s.Origin == FromDefault && s.Value == "" {
				s.Value = a.shown
			}
			s.Section, s.What, s.Example = section.title, a.what, a.example
			out = append(out, *s)
			l.order = slices.DeleteFunc(l.order, func(name string) bool { return name == a.name })
		}
	}
	for _, name := range l.order {
		s := *l.settings[name]
		s.Section = "Others"
		if strings.HasPrefix(name, "TEMPORAL_") {
			s.Section = temporalSection
		}
		out = append(out, s)
	}
	return out
}

// spell renders a duration as people write it: 7d, 30m.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
