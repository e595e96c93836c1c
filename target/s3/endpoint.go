package s3

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/cordonlabs/cordon"
)

// endpoint is where an S3 server is.
type endpoint struct {
	host   string // host or host:port, as minio-go wants it
	secure bool   // https
}

// url returns the endpoint with its scheme and without a slash at its end.
func (e endpoint) url() string {
	if e.secure {
		return "https://" + e.host
	}
	return "http://" + e.host
}

// region returns the region that an endpoint of AWS has in its name, or "". The
// client sends requests to the endpoint of the region that it is given, whatever
// endpoint was named.
func (e endpoint) region() string { return s3utils.GetRegionFromURL(url.URL{Host: e.host}) }

// parseEndpoint reads an S3_ENDPOINT: "host", "host:port", or an http or https
// URL of that, whose scheme wins over useSSL (CONTRACT §4). What it refuses is
// InvalidArgument; its errors never repeat the text, which may hold a password.
func parseEndpoint(s string, useSSL bool) (endpoint, error) {
	refuse := func(why string) (endpoint, error) {
		return endpoint{}, &cordon.Error{
			Kind: cordon.InvalidArgument,
			Op:   "read the S3 endpoint",
			Err:  errors.New(why),
			Fix:  "set it to host:port, http://host:port or https://host:port",
		}
	}
	s = strings.TrimSpace(s)
	if s == "" {
		return refuse("it is empty")
	}
	secure := useSSL
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		switch strings.ToLower(scheme) {
		case "http":
			secure = false
		case "https":
			secure = true
		default:
			return refuse("its scheme is neither http nor https")
		}
		s = s[len(scheme):]
	} else {
		s = "://" + s
	}
	u, err := url.Parse("http" + s)
	if err != nil {
		return refuse("it is not a URL")
	}
	switch {
	case u.User != nil:
		return refuse("it holds credentials, which belong in S3_ACCESS_KEY and S3_SECRET_KEY")
	case u.Hostname() == "":
		return refuse("it names no host")
	case u.Path != "" && u.Path != "/":
		return refuse("it has a path; an S3 server is addressed at the root of its host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return refuse("it has a query or a fragment")
	case strings.HasSuffix(u.Host, ":"):
		return refuse("its port is empty")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return refuse("its port is not a number from 1 to 65535")
		}
	}
	return endpoint{host: u.Host, secure: secure}, nil
}
