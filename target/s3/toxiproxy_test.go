package s3_test

import (
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxic is a TCP proxy that does to connections what networks do.
type toxic struct {
	url   string
	proxy *toxiproxy.Proxy
}

func newToxiproxy(t *testing.T, endpoint string) *toxic {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // it logs past the logger that it is given
	srv := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(srv, t.Name(), "127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &toxic{url: "http://" + p.Listen, proxy: p}
}

// add adds a toxic to what the server answers, on every connection.
func (x *toxic) add(t *testing.T, json string) {
	t.Helper()
	if _, err := x.proxy.Toxics.AddToxicJson(strings.NewReader(json)); err != nil {
		t.Fatal(err)
	}
}

// heal takes all toxics away. What was stalled is closed.
func (x *toxic) heal(t *testing.T) { x.proxy.Toxics.ResetToxics(t.Context()) }
