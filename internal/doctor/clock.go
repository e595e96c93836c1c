package doctor

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/cordonlabs/cordon/internal/fsinfo"
)

const (
	// stampSlack is how far a new file's time may be from now: kernels stamp with
	// a coarse clock, ten milliseconds behind at most, and some file systems keep
	// two whole seconds.
	stampSlack = 3 * time.Second
	// dateSlack is how far a server's Date may be off before it is worth a word:
	// it counts whole seconds, and machines without NTP drift by some a day.
	dateSlack = 30 * time.Second
	// maxSkew is where S3 begins to refuse requests (RequestTimeTooSkewed).
	maxSkew = 15 * time.Minute
)

// clock compares this machine's clock with the stamps of the cache's file
// system and with the object store's.
func clock(ctx context.Context, s *site) Result {
	const set = "set this machine's clock, or let it be kept (chrony, systemd-timesyncd)"
	if _, err := fsinfo.BootID(); err != nil {
		return fail("mount /proc", "%v", err)
	}
	trial, err := s.trial()
	if err != nil {
		return notLooked(err)
	}
	before := s.Now()
	f, err := trial.OpenFile(trialPrefix+"clock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fail("see whether the disk works", "no file can be made: %v", cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail("see whether the disk works", "%v", err)
	}
	after := s.Now()
	if off := distance(info.ModTime(), before, after); off > stampSlack {
		return fail(set, "a file made at %s bears the time %s", before.Format(time.RFC3339), info.ModTime().Format(time.RFC3339))
	}
	found := "agrees with the file system's stamps"

	url := s.storeURL()
	if url == "" {
		return ok("%s", found)
	}
	before = s.Now()
	date, err := dateOf(ctx, url)
	if err != nil {
		return ok("%s; %s told no time to compare it with", found, url)
	}
	after = s.Now()
	where := "ahead of"
	if date.After(after) {
		where = "behind"
	}
	switch off := distance(date, before, after); {
	case off > maxSkew:
		return fail(set, "%s %s %s: S3 refuses requests that are %v off", off.Round(time.Second), where, url, maxSkew)
	case off > dateSlack:
		return warn(set, "%s %s %s", off.Round(time.Second), where, url)
	}
	return ok("%s, and with %s", found, url)
}

// distance returns how far t is from the time between before and after.
func distance(t, before, after time.Time) time.Duration {
	switch {
	case t.Before(before):
		return before.Sub(t)
	case t.After(after):
		return t.Sub(after)
	}
	return 0
}

// dateOf returns what an HTTP server says the time is. Any answer will do.
func dateOf(ctx context.Context, url string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return time.Time{}, err
	}
	resp.Body.Close()
	return http.ParseTime(resp.Header.Get("Date"))
}

// storeURL returns the address of the S3 server, or "" where the store is a
// directory or the address cannot be used.
func (s *site) storeURL() string {
	store, err := s.store()
	if err != nil {
		return ""
	}
	if s3, ok := store.(interface{ Endpoint() string }); ok {
		return s3.Endpoint()
	}
	return ""
}
