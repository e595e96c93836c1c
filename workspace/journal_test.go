package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/workspace"
)

// What happened is read once, in order, over the change of files, and without what is
// half-written or no event at all.
func TestTheJournalIsFollowedAsItGrows(t *testing.T) {
	cache, err := workspace.Open(workspace.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	file := filepath.Join(cache.Dir(), ".cordon", "events.jsonl")
	write := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	line := func(key string) string {
		return `{"time":"2026-11-27T04:00:00Z","action":"remove","key":"` + key + `","path":"t/r/workspace","bytes":7,"reason":"a test"}` + "\n"
	}
	j := cache.Journal()
	next := func(want string) {
		t.Helper()
		events, err := j.Next()
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, e := range events {
			keys = append(keys, e.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("the journal tells %q, want %q", got, want)
		}
	}
	next("")
	write(file+".1", line("a"))
	write(file, line("b")+line("c"))
	j = cache.Journal()
	next("a b c")
	next("")
	write(file, "no event\n{}\n"+line("d")+line("e")[:20])
	next("d")
	write(file, line("e")[20:]+line("f"))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	write(file, line("g"))
	next("e f g")
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	write(file, line("h")[:len(line("h"))-1])
	next("")
	write(file, "\n")
	next("h")

	write(file, strings.Repeat(line("old"), 10_000))
	write(file, line("last"))
	events, err := cache.Journal().Next()
	if err != nil || len(events) < 1000 || len(events) > 8000 || events[len(events)-1].Key != "last" {
		t.Errorf("of a long journal %d events are read (%v)", len(events), err)
	}
}
