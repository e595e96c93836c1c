package dev

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
)

// Between the choice of a port and its use another program can take it, which
// the server answers with Fatal. That must not end the process.
func TestAPortThatIsSnatchedIsAnErrorAndNotTheEnd(t *testing.T) {
	chosen, err := choosePorts(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	thief, err := net.Listen("tcp", inner(chosen.history))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	db, err := openDatabase(nil, []string{"default"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{address: inner(chosen.frontend), log: newServerLog(slog.New(slog.DiscardHandler), slog.LevelWarn)}
	err = s.startServices(serverConfig(loopback, s.address, chosen, db))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	if cordon.KindOf(err) != cordon.Busy {
		t.Errorf("the kind is %q", cordon.KindOf(err))
	}
	begun := time.Now()
	if err := s.Stop(); err != nil {
		t.Errorf("stopping what has half started: %v", err)
	}
	if d := time.Since(begun); d > stopTimeout {
		t.Errorf("Stop took %s", d)
	}
}

func BenchmarkStartToReady(b *testing.B) {
	for b.Loop() {
		s, err := Start(b.Context(), Options{DataDir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
