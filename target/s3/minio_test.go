package s3_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

func plant(t *testing.T, client *minio.Client, bucket, key string, body []byte) {
	t.Helper()
	if _, err := client.PutObject(t.Context(), bucket, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestResultsAreStoredAsTheContractSays(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	s := open(t, cfg)
	for format, contentType := range map[string]string{"json": "application/json", "sarif": "application/sarif+json"} {
		u, err := s.PutResult(t.Context(), "atheris_fuzzing-0a1b2c3d", format, []byte("{}"))
		if want := srv.Endpoint + "/" + cfg.ResultsBucket + "/atheris_fuzzing-0a1b2c3d/results." + format; err != nil || u != want {
			t.Errorf("PutResult = %q, %v; want %q", u, err, want)
		}
		o, err := srv.Client(t).StatObject(t.Context(), cfg.ResultsBucket, "atheris_fuzzing-0a1b2c3d/results."+format, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if o.ContentType != contentType {
			t.Errorf("%s has the content type %s", format, o.ContentType)
		}
		if o.Metadata.Get("X-Amz-Meta-Workflow_id") != "atheris_fuzzing-0a1b2c3d" || o.Metadata.Get("X-Amz-Meta-Format") != format {
			t.Errorf("%s has the metadata %v", format, o.Metadata)
		}
	}
}

func TestAResultIntoABucketThatIsMissingIsFinalAndMakesNone(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := fresh(t, srv)
	_, err := open(t, cfg).PutResult(t.Context(), "wf", "json", []byte("{}"))
	if k := cordon.KindOf(err); k == "" || k.Retryable() || !strings.Contains(err.Error(), cfg.ResultsBucket) {
		t.Errorf("PutResult = %v (kind %q), want a final error that names the bucket", err, k)
	}
	if ok, err := srv.Client(t).BucketExists(t.Context(), cfg.ResultsBucket); err != nil || ok {
		t.Errorf("BucketExists = %v, %v", ok, err)
	}
}

func TestWrongCredentialsArePermissionDeniedAndNeverShown(t *testing.T) {
	srv := miniotest.Start(t)
	for name, change := range map[string]func(*s3.Config){
		"an unknown access key": func(c *s3.Config) { c.AccessKey = "AKIAUNKNOWNKEY" },
		"a wrong secret key":    func(c *s3.Config) { c.SecretKey = "not-the-secret-key" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := made(t, srv)
			change(&cfg)
			s := open(t, cfg)
			id := parse(t, "fw")
			_, serr := s.Stat(t.Context(), id)
			_, _, oerr := s.Open(t.Context(), id, "")
			_, perr := s.Put(t.Context(), id, strings.NewReader("x"), target.PutOptions{Size: 1})
			_, prerr := s.PutResult(t.Context(), "wf", "json", []byte("{}"))
			for _, err := range []error{serr, oerr, perr, prerr, s.Remove(t.Context(), id)} {
				if cordon.KindOf(err) != cordon.PermissionDenied {
					t.Errorf("%v has kind %q", err, cordon.KindOf(err))
				} else if strings.Contains(err.Error(), cfg.SecretKey) || !strings.Contains(err.Error(), "S3_SECRET_KEY") {
					t.Errorf("%v shows the secret, or gives no advice", err)
				}
			}
		})
	}
}

func TestTheUsualVariablesOfAWSAreCredentials(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	t.Setenv("AWS_ACCESS_KEY_ID", cfg.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", cfg.SecretKey)
	cfg.AccessKey, cfg.SecretKey = "", ""
	if _, err := open(t, cfg).Put(t.Context(), parse(t, "fw"), strings.NewReader("x"), target.PutOptions{Size: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestNoCredentialsAnywhereIsSaidAtOnce(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(v, "")
	}
	_, err := open(t, s3.Config{Endpoint: "127.0.0.1:1"}).Stat(t.Context(), parse(t, "fw"))
	if cordon.KindOf(err) != cordon.PermissionDenied || !strings.Contains(err.Error(), "S3_ACCESS_KEY") {
		t.Errorf("Stat = %v", err)
	}
}

func TestEveryDownloadIsLoggedInTheWordsPeopleGrepFor(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := open(t, cfg)
	id := parse(t, "fw")
	if _, err := s.Put(t.Context(), id, strings.NewReader("12345"), target.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "downloading from MinIO") {
		t.Errorf("an upload is logged as a download: %s", log.String())
	}
	for n := 1; n <= 2; n++ {
		r, _, err := s.Open(t.Context(), id, "")
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got := strings.Count(log.String(), "downloading from MinIO"); got != n {
			t.Errorf("%d lines after %d downloads:\n%s", got, n, log.String())
		}
	}
	for _, want := range []string{"target_id=fw", "bucket=" + cfg.Bucket, "size=5"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the line is without %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), cfg.SecretKey) || strings.Contains(log.String(), cfg.AccessKey) {
		t.Errorf("credentials in the log:\n%s", log.String())
	}
}

func TestAnObjectOfManyPartsHasItsStatedDigest(t *testing.T) {
	srv := miniotest.Start(t)
	cfg := made(t, srv)
	s := open(t, cfg)
	body := strings.Repeat("0123456789abcdef", 40<<20/16)
	const digest = "0000000000000000000000000000000000000000000000000000000000000000"
	if _, err := s.Put(t.Context(), parse(t, "bad"), strings.NewReader(body), target.PutOptions{Size: int64(len(body)), SHA256: digest}); cordon.KindOf(err) != cordon.IntegrityMismatch {
		t.Errorf("Put = %v", err)
	}
	for o := range srv.Client(t).ListObjectsIter(t.Context(), cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		t.Errorf("in the bucket is %+v", o)
	}
	info, err := s.Put(t.Context(), parse(t, "good"), io.NopCloser(strings.NewReader(body)), target.PutOptions{Size: -1})
	if err != nil || info.Size != int64(len(body)) || !strings.HasSuffix(info.ETag, "-3") {
		t.Errorf("Put = %+v, %v; want three parts", info, err)
	}
}
