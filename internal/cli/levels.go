package cli

import (
	"log/slog"

	"github.com/cordonlabs/cordon/internal/config"
)

// level is the log level of a command that is over soon: its own talk says what
// happened, so that it logs nothing below otherwise unless LOG_LEVEL is set.
func (a *app) level(cfg config.Worker, otherwise slog.Level) slog.Level {
	if a.getenv("LOG_LEVEL") == "" {
		return otherwise
	}
	return cfg.LogLevel
}
