package cli

import (
	"log/slog"

	"github.com/cordonlabs/cordon/internal/config"
)

// quietLevel is the log level of commands that are over soon: their own talk
// says what happened, so that they log warnings alone unless LOG_LEVEL is set.
func (a *app) quietLevel(cfg config.Worker) slog.Level {
	if a.getenv("LOG_LEVEL") == "" {
		return slog.LevelWarn
	}
	return cfg.LogLevel
}
