//go:build !race

package fleet

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon/target/miniotest"
)

var (
	fleetSize = flag.Int64("fleet-size", 8, "how large the target is that all want, in MB")
	fleetWant = flag.Int("fleet-want", 40, "how many runs want it")
	fleetZipf = flag.Int("fleet-zipf", 30, "how many runs of targets of differing popularity there are")
)

// One target that many runs want at once is fetched once by a host, at the most; it is
// counted at the store.
func TestATargetThatAllWantIsFetchedOnceByAHost(t *testing.T) {
	t.Parallel()
	s := miniotest.Start(t)
	bucket := s.MakeBucket(t)
	var sent, requests atomic.Int64 // of the object
	to, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && strings.HasSuffix(r.Request.URL.Path, "/wanted/target") {
				sent.Add(r.ContentLength)
				requests.Add(1)
			}
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	f := newFleet(t, 4, "S3_ENDPOINT="+proxy.URL, "S3_ACCESS_KEY="+s.AccessKey, "S3_SECRET_KEY="+s.SecretKey, "S3_BUCKET="+bucket, "MAX_CONCURRENT_ACTIVITIES=10")
	makeResults(t, s)
	object, err := os.Create(filepath.Join(t.TempDir(), "object"))
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	sum := f.targetOf(object, "wanted", 10_000, *fleetSize*1_000_000)
	stored, err := s.Client(t).FPutObject(t.Context(), bucket, "wanted/target", object.Name(), minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.on()
	began := time.Now()
	var all []work
	for i := range *fleetWant {
		mode := []string{"shared", "copy-on-write"}[i%2]
		all = append(all, work{f.start(classOf(mode), "wanted", 0), mode, sum})
	}
	for _, w := range all {
		if wrong := w.check(t.Context()); wrong != "" {
			t.Error(wrong)
		}
	}
	took, fetched := time.Since(began), 0
	for _, h := range f.hosts {
		n := strings.Count(h.said(), "downloading from MinIO")
		if n > 1 {
			t.Errorf("%s has fetched it %d times", h.name, n)
		}
		fetched += n
	}
	times := float64(sent.Load()) / float64(stored.Size)
	t.Logf("%d runs on 4 hosts wanted one target of %d MB: %d downloads by %d requests, %.2f times its bytes, in %v",
		len(all), *fleetSize, fetched, requests.Load(), times, took.Round(time.Millisecond))
	if fetched == 0 || times > 4.01 || times < float64(fetched)-0.01 {
		t.Errorf("%d downloads are %.2f times its bytes", fetched, times)
	}
	f.mustBeEmpty()
}

// makeResults makes the bucket of the one name that is fixed (CONTRACT §5).
func makeResults(t *testing.T, s miniotest.Server) {
	t.Helper()
	if err := s.Client(t).MakeBucket(t.Context(), "results", minio.MakeBucketOptions{}); err != nil && minio.ToErrorResponse(err).Code != minio.BucketAlreadyOwnedByYou {
		t.Fatal(err)
	}
}

// Runs go to hosts that have their target, where there are some.
func TestRunsGoToHostsThatHaveTheirTarget(t *testing.T) {
	t.Parallel()
	const targets = 8
	f := newFleet(t, 4).on()
	until(t, "every host is known to the others", func() bool { return len(f.known()) == 4 })
	sums := make([]string, targets)
	for i := range sums {
		sums[i] = f.put(fmt.Sprint("target-", i), 50_000)
	}
	random := rand.New(rand.NewPCG(7, 7))
	zipf := rand.NewZipf(random, 1.2, 1, targets-1)
	var all []work
	wanted := map[int]bool{}
	for range *fleetZipf {
		i := int(zipf.Uint64())
		wanted[i] = true
		w := work{f.start(classOf("shared"), fmt.Sprint("target-", i), 0), fmt.Sprint("target-", i), sums[i]}
		all = append(all, w)
		if wrong := w.check(t.Context()); wrong != "" { // one after the other: nobody is busy
			t.Error(wrong)
		}
	}
	fetched := 0
	for _, h := range f.hosts {
		fetched += h.fetched()
	}
	hits := 1 - float64(fetched)/float64(len(all))
	t.Logf("%d runs of %d targets on 4 hosts: %d fetches, hit ratio %.2f; the best there is, with each target fetched once, is %.2f",
		len(all), len(wanted), fetched, hits, 1-float64(len(wanted))/float64(len(all)))
	// A busy machine may leave the first host of a target no time now and then. At random
	// four hosts fetch nearly all they can.
	if fetched > len(wanted)+len(all)/10 {
		t.Errorf("%d fetches of %d targets", fetched, len(wanted))
	}
}
