package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/doctor"
)

func TestClock(t *testing.T) {
	t.Run("locks and stamps of an ordinary disk are right", func(t *testing.T) {
		e := onCache(t, makeCache(t))
		want(t, one(t, e, "locks"), doctor.OK, "flock excludes")
		want(t, one(t, e, "clock"), doctor.OK, "agrees")
	})
	t.Run("stamps of another time than now", func(t *testing.T) {
		e := onCache(t, makeCache(t))
		e.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		want(t, one(t, e, "clock"), doctor.Fail, "bears the time", "set this machine's clock")
	})
	for _, tt := range []struct {
		name string
		off  time.Duration
		want doctor.Status
		says string
	}{
		{"the store's clock is ours", 0, doctor.OK, "and with http://127"},
		{"the store's clock is a minute ahead", time.Minute, doctor.Warn, "s behind http://127"},
		{"the store's clock is a minute behind", -time.Minute, doctor.Warn, "s ahead of http://127"},
		{"further than S3 accepts", -20 * time.Minute, doctor.Fail, "S3 refuses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(tt.off).UTC().Format(http.TimeFormat))
				w.WriteHeader(http.StatusForbidden) // nobody has to be let in to be told the time
			}))
			defer server.Close()
			e := env(t, map[string]string{"CACHE_DIR": makeCache(t), "S3_ENDPOINT": server.URL, "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s"})
			want(t, one(t, e, "clock"), tt.want, tt.says)
		})
	}
}
