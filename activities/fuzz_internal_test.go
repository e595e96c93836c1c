package activities

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

// A hostile project with many harnesses and crashes must not fill the history
// (CONTRACT §3).
func TestOutcomesCrossTheHistoryWithinBounds(t *testing.T) {
	var all []fuzz.Outcome
	for range maxHarnesses {
		o := fuzz.Outcome{Harness: fuzz.Harness{Name: strings.Repeat("h", 200), File: strings.Repeat("f", 400)}}
		for range 1000 {
			o.Bugs = append(o.Bugs, fuzz.Sighting{Bug: fuzz.Bug{Title: strings.Repeat("t", 400), Function: strings.Repeat("f", 200), File: strings.Repeat("p", 400)}})
		}
		for range 100 {
			o.Notes = append(o.Notes, strings.Repeat("é", 5000))
		}
		all = append(all, o)
	}
	b, err := json.Marshal(bounded(all))
	if err != nil || len(b) > maxReturned-maxInlinePart {
		t.Errorf("%d bytes cross the history, %v", len(b), err)
	}
	if len(all[0].Bugs) != 1000 || len(all[0].Notes) != 100 {
		t.Error("the outcomes themselves were cut")
	}
}

func TestShares(t *testing.T) {
	for _, tc := range []struct {
		whole time.Duration
		n     int
		want  time.Duration
	}{{0, 3, 0}, {time.Minute, 1, time.Minute}, {time.Minute, 3, 20 * time.Second}, {2, 3, 1}} {
		if got := share(tc.whole, tc.n); got != tc.want {
			t.Errorf("share(%v, %d) = %v, want %v", tc.whole, tc.n, got, tc.want)
		}
	}
}

func TestABuildLearnsOfProxiesAndOfNoCredential(t *testing.T) {
	got := BuildEnv([]string{
		"HTTPS_PROXY=http://proxy:3128", "http_proxy=http://user:secret@proxy:3128", "GOPROXY=https://mirror.example", "PIP_INDEX_URL=https://token@mirror.example/simple",
		"AWS_SECRET_ACCESS_KEY=x", "S3_SECRET_KEY=x", "CARGO_REGISTRIES_OURS_INDEX=sparse+https://crates.example/", "CARGO_REGISTRIES_OURS_TOKEN=x", "HOME=/root", "NO_PROXY=",
	})
	want := []string{"HTTPS_PROXY=http://proxy:3128", "GOPROXY=https://mirror.example", "CARGO_REGISTRIES_OURS_INDEX=sparse+https://crates.example/"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnOvertakenAttemptIsWaitedFor(t *testing.T) {
	a := New(Options{})
	done, err := a.alone(t.Context(), "/w")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	go func() {
		next, err := a.alone(t.Context(), "/w")
		if err == nil {
			close(entered)
			next()
		}
	}()
	select {
	case <-entered:
		t.Error("two fuzz in one workspace")
	case <-time.After(50 * time.Millisecond):
	}
	other, err := a.alone(t.Context(), "/v")
	if err != nil {
		t.Fatal(err)
	}
	other()
	done()
	<-entered
}
