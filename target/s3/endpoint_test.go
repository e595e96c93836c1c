package s3_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/s3"
)

func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		name, in string
		useSSL   bool
		want     string
	}{
		{"a host and a port", "minio:9000", false, "http://minio:9000"},
		{"a host and a port, with UseSSL", "minio:9000", true, "https://minio:9000"},
		{"a host alone", "s3.amazonaws.com", true, "https://s3.amazonaws.com"},
		{"http wins over UseSSL", "http://minio:9000", true, "http://minio:9000"},
		{"https wins over no UseSSL", "https://minio:9000", false, "https://minio:9000"},
		{"a scheme in capitals", "HTTPS://minio:9000", false, "https://minio:9000"},
		{"a slash at the end", "http://minio:9000/", false, "http://minio:9000"},
		{"space around it", " minio:9000\n", false, "http://minio:9000"},
		{"an IPv6 address", "[::1]:9000", false, "http://[::1]:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := s3.ParseEndpoint(c.in, c.useSSL); err != nil || got != c.want {
				t.Errorf("endpoint %q = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
	for _, c := range []struct{ name, in string }{
		{"nothing", ""},
		{"a scheme alone", "http://"},
		{"another scheme", "s3://bucket"},
		{"a path", "http://minio:9000/targets"},
		{"a query", "http://minio:9000?x=1"},
		{"a fragment", "http://minio:9000#x"},
		{"an empty fragment", "http://minio:9000#"},
		{"credentials", "http://user:hunter2@minio:9000"},
		{"credentials without a scheme", "user:hunter2@minio:9000"},
		{"a port that is no number", "minio:hunter2"},
		{"a port that is too large", "minio:99999"},
		{"a port that is empty", "minio:"},
		{"a port alone", ":9000"},
		{"a space inside", "mi nio:9000"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			_, err := s3.ParseEndpoint(c.in, false)
			if cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" {
				t.Errorf("endpoint %q: %v", c.in, err)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats what may be a password: %v", err)
			}
		})
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"minio:9000", "http://minio:9000/", "https://[::1]:9000", "http://u:p@h", "http://h/p?q#f", "://", "http:////", "h:0", "\x00", "http://h%41", "%zz:1"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, useSSL bool) {
		got, err := s3.ParseEndpoint(s, useSSL)
		if err != nil {
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
			t.Fatalf("%q was read as %q: %v", s, got, err)
		}
		if again, err := s3.ParseEndpoint(got, !useSSL); err != nil || again != got {
			t.Fatalf("%q read again is %q, %v", got, again, err)
		}
		// What passes here either opens a store or is refused with a reason.
		if _, err := s3.Open(s3.Config{Endpoint: s, AccessKey: "k", SecretKey: "s"}); err != nil && cordon.KindOf(err) != cordon.InvalidArgument {
			t.Fatalf("Open: %v", err)
		}
	})
}

func TestTheRegionIsTheOneThatTheEndpointIsInWhereNothingElseIsSaid(t *testing.T) {
	for _, c := range []struct{ name, endpoint, region, aws, want string }{
		{"an endpoint of AWS names its region", "https://s3.eu-west-1.amazonaws.com", "", "", "eu-west-1"},
		{"an endpoint of AWS for both address families", "https://s3.dualstack.eu-west-1.amazonaws.com", "", "", "eu-west-1"},
		{"the endpoint is nearer than AWS_REGION", "https://s3.eu-west-1.amazonaws.com", "", "eu-north-1", "eu-west-1"},
		{"what is configured wins", "https://s3.eu-west-1.amazonaws.com", "eu-central-1", "eu-north-1", "eu-central-1"},
		{"an endpoint without a region leaves it to AWS_REGION", "https://s3.amazonaws.com", "", "eu-north-1", "eu-north-1"},
		{"any other server leaves it to AWS_REGION", "http://minio:9000", "", "eu-north-1", "eu-north-1"},
		{"nothing is said at all", "http://minio:9000", "", "", "us-east-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.aws)
			t.Setenv("AWS_DEFAULT_REGION", "")
			s := open(t, s3.Config{Endpoint: c.endpoint, Region: c.region, AccessKey: "k", SecretKey: "s"})
			if got := s.Region(); got != c.want {
				t.Errorf("the region is %q, want %q", got, c.want)
			}
		})
	}
}

func TestOpenRefusesAConfigurationThatCannotWork(t *testing.T) {
	for name, cfg := range map[string]s3.Config{
		"no endpoint":            {},
		"an access key alone":    {Endpoint: "minio:9000", AccessKey: "k"},
		"a secret key alone":     {Endpoint: "minio:9000", SecretKey: "hunter2"},
		"an illegal bucket name": {Endpoint: "minio:9000", Bucket: "Not/A/Bucket"},
		"an illegal host":        {Endpoint: "-.-:9000"},
	} {
		_, err := s3.Open(cfg)
		if cordon.KindOf(err) != cordon.InvalidArgument || cordon.FixOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
