package workspace_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
)

// onLog calls f with every message that a cache logs.
type onLog struct {
	slog.Handler
	f func(msg string)
}

func (h onLog) Handle(ctx context.Context, r slog.Record) error {
	h.f(r.Message)
	return h.Handler.Handle(ctx, r)
}

func (onLog) Enabled(context.Context, slog.Level) bool { return true }

// keyOf is the key of an entry as the engine makes it.
func keyOf(prefix string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return prefix + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// recordOf reads a record as what it is on disk.
func (b *bench) recordOf(key string) map[string]any {
	raw, err := os.ReadFile(b.path(".cordon/records/" + key + ".json"))
	must(b.t, err)
	m := map[string]any{}
	must(b.t, json.Unmarshal(raw, &m))
	return m
}

// events reads the journal.
func (b *bench) events() (all []map[string]any) {
	raw, err := os.ReadFile(b.path(".cordon/events.jsonl"))
	must(b.t, err)
	for line := range bytes.Lines(raw) {
		m := map[string]any{}
		must(b.t, json.Unmarshal(line, &m))
		all = append(all, m)
	}
	return all
}
