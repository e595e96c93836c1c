package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Traces says where spans go and which, in the words that OpenTelemetry has for all
// programs (the OTEL_* variables of its specification). Its zero value is none at all.
type Traces struct {
	// Endpoint is the URL that spans are posted to, as OTLP in protobuf; "": traces are off.
	Endpoint string
	Headers  map[string]Secret // sent along
	Service  string            // OTEL_SERVICE_NAME; "": the program's own name
	Resource map[string]string // OTEL_RESOURCE_ATTRIBUTES
	Sampler  Sampler
	Timeout  time.Duration // for an answer
	Gzip     bool          // whether what is sent is compressed
	TLS      *tls.Config   // nil: Go's own
}

// Sampler says which traces are recorded.
type Sampler struct {
	Ratio       float64 // of the traces that begin here, 0 to 1
	ParentBased bool    // what continues a trace is recorded where that is
}

// tracesPath is where a collector takes spans, below OTEL_EXPORTER_OTLP_ENDPOINT.
const tracesPath = "/v1/traces"

// What of OTEL_TRACES_EXPORTER there is.
const (
	exportOTLP = "otlp"
	exportNone = "none"
)

// traces reads OpenTelemetry's variables. They are often a whole machine's: where they
// name no collector, or switch traces off, nothing in them is an error.
func (e *env) traces() Traces {
	before := len(e.problems)
	disabled := read(e, "OTEL_SDK_DISABLED", "false", parseBool)
	exporter := read(e, "OTEL_TRACES_EXPORTER", exportOTLP, parseExporter)
	base := read(e, "OTEL_EXPORTER_OTLP_ENDPOINT", "", parseCollector)
	own := read(e, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", parseCollector)
	headers := e.headers("OTEL_EXPORTER_OTLP_HEADERS")
	if of := e.headers("OTEL_EXPORTER_OTLP_TRACES_HEADERS"); of != nil {
		headers = of
	}
	if p := e.exporting("PROTOCOL", protocolHTTP); p.value != protocolHTTP {
		e.fail(p.name, fmt.Errorf("%q is not spoken here; accepted: %s", p.value, protocolHTTP),
			"set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="+protocolHTTP+" and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://COLLECTOR:4318"+tracesPath)
	}
	t := Traces{
		Endpoint: own, Headers: headers, Service: e.text("OTEL_SERVICE_NAME"),
		Resource: read(e, "OTEL_RESOURCE_ATTRIBUTES", "", parsePairs),
		Sampler:  e.sampler(), Timeout: e.exportTimeout(), Gzip: e.compression(),
	}
	if own == "" && base != "" {
		t.Endpoint = strings.TrimRight(base, "/") + tracesPath
	}
	t.TLS = e.collectorTLS(strings.HasPrefix(strings.ToLower(t.Endpoint), "https:"))
	if named := e.getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || e.getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""; !named || disabled || exporter == exportNone {
		e.problems = e.problems[:before]
		return Traces{}
	}
	return t
}

// protocolHTTP is the one protocol of OTLP's that is spoken.
const protocolHTTP = "http/protobuf"

// exported is a variable of OTLP's exporters, and what it says.
type exported struct{ name, value string }

// exporting reads a variable that there is for all that is exported and for traces alone.
func (e *env) exporting(what, def string) exported {
	all, traces := "OTEL_EXPORTER_OTLP_"+what, "OTEL_EXPORTER_OTLP_TRACES_"+what
	general := exported{all, cmp.Or(strings.TrimSpace(e.note(all, def, false)), def)}
	if own := strings.TrimSpace(e.note(traces, "", false)); own != "" {
		return exported{traces, own}
	}
	return general
}

// exportTimeout reads what OTLP's specification has in milliseconds.
func (e *env) exportTimeout() time.Duration {
	const most = 10 * time.Minute
	t := e.exporting("TIMEOUT", "10000")
	ms, err := strconv.ParseInt(t.value, 10, 64)
	if err != nil || ms < 1 || ms > most.Milliseconds() {
		e.fail(t.name, fmt.Errorf("%q is not a number of milliseconds; accepted: 1 to %d", t.value, most.Milliseconds()), "")
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func (e *env) compression() bool {
	c := e.exporting("COMPRESSION", "none")
	if c.value != "none" && c.value != "gzip" {
		e.fail(c.name, fmt.Errorf("%q is not a compression; accepted: gzip, none", c.value), "")
	}
	return c.value == "gzip"
}

// collectorTLS reads whom spans are sent to, and who sends them, where that is not what
// the whole host trusts. Without HTTPS it says nothing.
func (e *env) collectorTLS(secure bool) *tls.Config {
	ca, cert, key := e.exporting("CERTIFICATE", ""), e.exporting("CLIENT_CERTIFICATE", ""), e.exporting("CLIENT_KEY", "")
	if !secure || ca.value == "" && cert.value == "" && key.value == "" {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca.value != "" {
		pem, err := os.ReadFile(ca.value)
		c.RootCAs = x509.NewCertPool()
		if err = errors.Unwrap(err); err == nil && !c.RootCAs.AppendCertsFromPEM(pem) { // without the path
			err = errors.New("there is no certificate in PEM in it")
		}
		if err != nil {
			e.fail(ca.name, fmt.Errorf("%q: %w", ca.value, err), "name a file with the certificates of whoever signed the collector's")
		}
	}
	switch pair, err := tls.LoadX509KeyPair(cert.value, key.value); {
	case cert.value == "" && key.value == "":
	case cert.value == "" || key.value == "":
		e.fail(cert.name, fmt.Errorf("%q, and the key is %q", cert.value, key.value), "set "+cert.name+" and "+key.name+", or neither")
	case err != nil:
		e.fail(cert.name, fmt.Errorf("%q: %w", cert.value, err), "name a certificate and its key, both in PEM")
	default:
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func parseExporter(s string) (string, error) {
	switch v := strings.ToLower(strings.TrimSpace(s)); v {
	case exportOTLP, exportNone:
		return v, nil
	}
	return "", fmt.Errorf("%q is not where traces can go; accepted: %s, %s", s, exportOTLP, exportNone)
}

// parseCollector reads where a collector is; "" is nowhere. What is wrong is not quoted:
// there may be a password in it.
func parseCollector(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not the address of a collector; accepted: http://host:port, https://host/path; a credential belongs into OTEL_EXPORTER_OTLP_HEADERS")
	}
	return s, nil
}

// headers reads what is sent along; nil where the variable is unset.
func (e *env) headers(name string) map[string]Secret {
	s := e.note(name, "", true)
	if s == "" {
		return nil
	}
	pairs, err := parsePairs(s)
	headers := map[string]Secret{}
	for k, v := range pairs {
		if k == "" || strings.ContainsFunc(k, notToken) || strings.ContainsAny(v, "\r\n\x00") {
			err = errPairs
		}
		headers[k] = Secret(v)
	}
	if err != nil {
		e.fail(name, errPairs, "") // the value is a credential
	}
	return headers
}

// notToken reports whether r may not stand in a header's name (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

var errPairs = errors.New("is not a list of pairs; accepted: name=value,name=value, with %2C for a comma and %20 for a space")

// parsePairs reads name=value,name=value, whose values are percent-encoded.
func parsePairs(s string) (map[string]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	pairs := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(pair) == "" {
			continue // a comma at the end
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil {
			return nil, fmt.Errorf("%q %w", s, errPairs)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// sampler reads OTEL_TRACES_SAMPLER and its argument.
func (e *env) sampler() Sampler {
	const name = "OTEL_TRACES_SAMPLER"
	s := read(e, name, "parentbased_always_on", func(s string) (Sampler, error) {
		kind, parentBased := strings.CutPrefix(strings.ToLower(strings.TrimSpace(s)), "parentbased_")
		switch kind {
		case "always_on", "traceidratio":
			return Sampler{1, parentBased}, nil
		case "always_off":
			return Sampler{0, parentBased}, nil
		}
		return Sampler{}, fmt.Errorf("%q is not a sampler; accepted: always_on, always_off, traceidratio, and parentbased_ before each", s)
	})
	arg := e.note(name+"_ARG", "", false)
	if arg == "" || !strings.HasSuffix(strings.TrimSpace(strings.ToLower(e.getenv(name))), "traceidratio") {
		return s
	}
	ratio, err := strconv.ParseFloat(strings.TrimSpace(arg), 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		e.fail(name+"_ARG", fmt.Errorf("%q is not a share of the traces; accepted: 0 to 1, such as 0.1", arg), "")
	}
	s.Ratio = ratio
	return s
}
