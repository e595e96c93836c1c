package worker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// An activity that fails is an error to the SDK and a day's work to an operator.
func TestTheSDKsWordsCountOneLevelLess(t *testing.T) {
	var b bytes.Buffer
	handler := slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo})
	log := slog.New(quiet{handler}).With("a", 1).WithGroup("g")
	log.Error("an error")
	log.Warn("a warning")
	log.Info("some news")
	got := b.String()
	if !strings.Contains(got, `level=WARN msg="an error" a=1`) || !strings.Contains(got, `level=INFO msg="a warning"`) || strings.Contains(got, "some news") {
		t.Errorf("got\n%s", got)
	}
}
