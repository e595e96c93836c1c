package traces

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/klauspost/compress/gzip"
)

// scopeName says whose spans they are.
const scopeName = "github.com/cordonlabs/cordon"

// maxAnswer is more than a collector has to say.
const maxAnswer = 64 << 10

// send posts a batch (OTLP 1, "OTLP/HTTP Request"). again says that the collector may
// take it later; otherwise refused of them are lost.
func (e *exporter) send(ctx context.Context, batch []*ended) (refused int, again bool, err error) {
	body := tracesData(e.resource(), e.opts.Version, batch)
	if e.opts.Config.Gzip {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(body) // a buffer takes all
		_ = z.Close()
		body = packed.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.opts.Config.Endpoint, bytes.NewReader(body))
	if err != nil {
		return len(batch), false, err
	}
	if e.opts.Config.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "cordon/"+cmp.Or(e.opts.Version, "devel"))
	for name, value := range e.opts.Config.Headers {
		req.Header.Set(name, string(value))
	}
	res, err := e.client.Do(req)
	if err != nil {
		var of *url.Error // it repeats the address
		if errors.As(err, &of) {
			err = of.Err
		}
		return 0, true, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusBadGateway,
		res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		return 0, true, fmt.Errorf("it answers %s", res.Status)
	case res.StatusCode/100 != 2:
		return len(batch), false, fmt.Errorf("it answers %s", res.Status)
	case err != nil:
		return 0, false, nil // it has them, whatever it wanted to say
	}
	if n, why := rejected(answer); n > 0 {
		return min(n, len(batch)), false, fmt.Errorf("it refuses %d of %d spans: %s", n, len(batch), plain(why, maxText))
	}
	return 0, false, nil
}
