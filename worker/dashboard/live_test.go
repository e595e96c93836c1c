package dashboard_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func release(t *testing.T, s *stand, path, run string) {
	t.Helper()
	if c, err := s.cache.Cleanup(t.Context(), path, workspace.Caller{Run: run}); err != nil || c.Outcome != workspace.Released && c.Outcome != workspace.Removed {
		t.Fatalf("%+v (%v)", c, err)
	}
}

// follow reads the events of a topic until it is done with.
func (s *stand) follow(ctx context.Context, path string, each func(event, data string) (done bool)) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	event, data := "", ""
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data += line[len("data: "):] + "\n"
		case line == "" && event != "":
			if each(event, data) {
				return nil
			}
			event, data = "", ""
		}
	}
	return lines.Err()
}

// Whoever looks is told what changes, and however many look, it is found out once: a page is
// made every two seconds for all together, and for nobody when nobody looks.
func TestManyBrowsersAreToldAndThePageIsMadeOnce(t *testing.T) {
	s := newStand(t)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	const readers = 60
	began := time.Now()
	id := s.put("t", "x")
	var told, looking sync.WaitGroup
	looking.Add(readers)
	told.Add(readers)
	for i := range readers {
		path, want := "/events?topic=overview", "pinned-for-the-test"
		if i%2 == 1 {
			path = "/api/v1/events?topic=overview"
		}
		go func() {
			defer told.Done()
			first := true
			err := s.follow(ctx, path, func(event, data string) bool {
				if first {
					looking.Done()
					first = false
				}
				if event != "overview" || strings.HasPrefix(path, "/api") != strings.HasPrefix(data, "{") {
					t.Errorf("%s: an event %q of %.60q", path, event, data)
				}
				return strings.Contains(data, want)
			})
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}()
	}
	looking.Wait()
	if err := s.cache.Pin(s.get(id, "r1", cordon.Isolated), "pinned-for-the-test"); err != nil {
		t.Fatal(err)
	}
	told.Wait()
	// Every page asks for Temporal a few times. 60 readers' own pages would ask 60 times as often.
	rounds := int64(time.Since(began)/(2*time.Second)) + 2
	if asked := s.asked.Load(); asked > 3*rounds {
		t.Errorf("in %d rounds pages were made %d times", rounds, asked)
	}
	cancel()
	var before int64
	eventually(t, "pages are made though nobody looks", func() bool {
		before = s.asked.Load()
		time.Sleep(3 * time.Second)
		return s.asked.Load() == before
	})
}

func TestOnlyWhatIsLiveHasEvents(t *testing.T) {
	s := newStand(t)
	if w, _ := s.fetch(http.MethodGet, "/events?topic=secrets", nil); w.StatusCode != http.StatusBadRequest {
		t.Error(w.Status)
	}
}

// The store is listed for many at once, and its answer is good for a while.
func TestManyRequestsListTheStoreOnce(t *testing.T) {
	s := newStand(t)
	s.put("t", "x")
	var working sync.WaitGroup
	for range 40 {
		working.Go(func() {
			if w, _ := s.fetch(http.MethodGet, "/store", nil); w.StatusCode != http.StatusOK {
				t.Error(w.Status)
			}
		})
	}
	working.Wait()
	if n := s.store.lists.Load(); n > 2 { // two where the machine is so slow that the first is old
		t.Errorf("it was listed %d times", n)
	}
}
