package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/target/miniotest"
)

const storeCheck = "object store"

func onStore(t *testing.T, dir string) doctor.Env {
	t.Helper()
	return env(t, map[string]string{"CACHE_DIR": t.TempDir(), "CORDON_STORE": dir})
}

func TestDirectoryStore(t *testing.T) {
	t.Run("one that can be used stays as it was", func(t *testing.T) {
		dir := t.TempDir()
		mkdir(t, filepath.Join(dir, "targets"), 0o755)
		before := everything(t, dir)
		want(t, one(t, onStore(t, dir), storeCheck), doctor.OK, dir, "read and written")
		if after := everything(t, dir); after != before {
			t.Errorf("there is now:\n%s", after)
		}
	})
	t.Run("one that is missing is made by the first target, unless the name is wrong", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "store")
		want(t, one(t, onStore(t, dir), storeCheck), doctor.Warn, dir, "not there yet", "check the name")
		if _, err := os.Stat(filepath.Dir(dir)); err == nil {
			t.Error("it was made")
		}
	})
	t.Run("a file is none", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		want(t, one(t, onStore(t, file), storeCheck), doctor.Fail, file, "not a directory")
	})
	t.Run("none is configured", func(t *testing.T) {
		want(t, one(t, onStore(t, ""), storeCheck), doctor.Fail, "none is configured", "S3_ENDPOINT", "CORDON_STORE")
	})
}

func TestADirectoryStoreThatThisUserMayNotUse(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	closed := mkdir(t, filepath.Join(t.TempDir(), "closed"), 0o555)
	want(t, one(t, onStore(t, closed), storeCheck), doctor.Fail, closed, "permission denied", "CORDON_STORE")
	want(t, one(t, onStore(t, filepath.Join(closed, "store")), storeCheck), doctor.Fail, "cannot make it", "permission denied")

	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "results"), 0o555)
	want(t, one(t, onStore(t, dir), storeCheck), doctor.Fail, "results in "+dir, "permission denied")
}

// s3 answers as an S3 server does in which nothing is stored: with the error code
// that codes has for a bucket, or as a bucket without the object.
func s3(t *testing.T, codes map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, _, object := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		code, status := codes[bucket], http.StatusForbidden
		switch {
		case code == "NoSuchBucket":
			status = http.StatusNotFound
		case code == "" && !object: // is the bucket there?
			return
		case code == "":
			code, status = "NoSuchKey", http.StatusNotFound
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func onS3(t *testing.T, url string) doctor.Env {
	t.Helper()
	return env(t, map[string]string{"CACHE_DIR": t.TempDir(), "S3_ENDPOINT": url, "S3_ACCESS_KEY": "AKIDEADBEEF", "S3_SECRET_KEY": "hunter2hunter2"})
}

func TestS3Store(t *testing.T) {
	for _, tt := range []struct {
		name  string
		codes map[string]string
		want  doctor.Status
		says  []string
	}{
		{"both buckets are there", nil, doctor.OK, []string{"answers in", "buckets for targets and results"}},
		{"no bucket for targets", map[string]string{"targets": "NoSuchBucket"}, doctor.Fail, []string{`no bucket "targets"`, "create the bucket"}},
		{"no bucket for results", map[string]string{"results": "NoSuchBucket"}, doctor.Fail, []string{`no bucket "results"`, "create the bucket"}},
		{"a wrong key", map[string]string{"targets": "SignatureDoesNotMatch"}, doctor.Fail, []string{"SignatureDoesNotMatch", "check S3_ACCESS_KEY and S3_SECRET_KEY"}},
		{"results may not be touched", map[string]string{"results": "AccessDenied"}, doctor.Fail, []string{"results: ", "AccessDenied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := one(t, onS3(t, s3(t, tt.codes)), storeCheck)
			want(t, r, tt.want, tt.says...)
			if strings.Contains(r.Found+r.Fix, "DEADBEEF") || strings.Contains(r.Found+r.Fix, "hunter2") || strings.Contains(r.Found, "cordon-doctor") {
				t.Errorf("it says what nobody needs to know: %+v", r)
			}
		})
	}
	t.Run("a port at which nobody listens", func(t *testing.T) {
		want(t, one(t, onS3(t, "http://"+closed), storeCheck), doctor.Fail, closed, "connection refused", "check S3_ENDPOINT")
	})
	t.Run("an endpoint that is none", func(t *testing.T) {
		want(t, one(t, onS3(t, "ftp://somewhere"), storeCheck), doctor.Fail, "neither http nor https", "host:port")
	})
}

func TestMinIO(t *testing.T) {
	server := miniotest.Start(t)
	e := onS3(t, server.Endpoint)
	want(t, one(t, e, storeCheck), doctor.Fail, "check S3_ACCESS_KEY")
	want(t, one(t, e, "clock"), doctor.OK, "and with "+server.Endpoint)
	e = env(t, map[string]string{"CACHE_DIR": t.TempDir(), "S3_ENDPOINT": server.Endpoint, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey, "S3_BUCKET": server.Bucket(t)})
	want(t, one(t, e, storeCheck), doctor.Fail, "has no bucket", e.Config.S3.Bucket, "create the bucket")
}
