package s3_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

// withoutCredentials takes away what the machine may have of them.
func withoutCredentials(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, v := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE",
	} {
		t.Setenv(v, "")
	}
}

func TestTheSharedFileOfAWSHasCredentialsByProfile(t *testing.T) {
	withoutCredentials(t)
	srv := miniotest.Start(t)
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing-at-all\n" +
		"[fuzz]\naws_access_key_id = " + srv.AccessKey + "\naws_secret_access_key = " + srv.SecretKey + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	for profile, want := range map[string]cordon.Kind{"fuzz": cordon.TargetNotFound, "": cordon.PermissionDenied} {
		t.Setenv("AWS_PROFILE", profile)
		cfg := made(t, srv)
		cfg.AccessKey, cfg.SecretKey = "", ""
		if _, err := open(t, cfg).Stat(t.Context(), parse(t, "none")); cordon.KindOf(err) != want {
			t.Errorf("profile %q: %v, want kind %q", profile, err, want)
		}
	}
}

// asked is what a server is asked by a store with this configuration for a target.
func asked(t *testing.T, cfg s3.Config) *http.Request {
	t.Helper()
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got == nil {
			got = r.Clone(r.Context())
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer srv.Close()
	cfg.Endpoint = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	if _, err := open(t, cfg).Stat(t.Context(), parse(t, "fw")); err == nil || got == nil {
		t.Fatalf("Stat = %v, of a server that was asked for %v", err, got)
	}
	return got
}

func TestBucketsAreAddressedByPath(t *testing.T) {
	r := asked(t, s3.Config{AccessKey: "k", SecretKey: "s", Bucket: "my-targets"})
	if r.URL.Path != "/my-targets/fw/target" || !strings.HasPrefix(r.Host, "localhost:") {
		t.Errorf("asked for %s of the host %s", r.URL.Path, r.Host)
	}
}

func TestRequestsAreSignedForTheRegionAndWithTheToken(t *testing.T) {
	withoutCredentials(t)
	t.Setenv("AWS_REGION", "eu-north-1")
	r := asked(t, s3.Config{AccessKey: "k", SecretKey: "s", Region: "eu-west-3"})
	if a := r.Header.Get("Authorization"); !strings.Contains(a, "Credential=k/") || !strings.Contains(a, "/eu-west-3/s3/") {
		t.Errorf("signed as %q", a)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "fromenv")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_SESSION_TOKEN", "for-an-hour")
	r = asked(t, s3.Config{})
	if a := r.Header.Get("Authorization"); !strings.Contains(a, "Credential=fromenv/") || !strings.Contains(a, "/eu-north-1/s3/") || r.Header.Get("X-Amz-Security-Token") != "for-an-hour" {
		t.Errorf("signed as %q with the token %q", a, r.Header.Get("X-Amz-Security-Token"))
	}
}
