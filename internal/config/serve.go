package config

import (
	"fmt"
	"strings"
)

// Serve says what a worker does of what it could (WORKER_SERVE). "" is ServeAll.
type Serve string

// What a worker serves.
const (
	// ServeAll is the built-in workflows and all activities.
	ServeAll Serve = "all"
	// ServeActivities is all activities and no workflow: other workers bring those.
	ServeActivities Serve = "activities"
	// ServeStorage is the activities that fetch and clean up alone: other workers have
	// the tools, on a queue of their own.
	ServeStorage Serve = "storage"
)

// Queue returns the task queue of a vertical's workers that serve this.
func (s Serve) Queue(vertical string) string {
	if s == ServeStorage {
		return vertical + "-storage"
	}
	return vertical + "-queue"
}

// ParseServe reads WORKER_SERVE, in any case; "" is ServeAll.
func ParseServe(s string) (Serve, error) {
	switch v := Serve(strings.ToLower(strings.TrimSpace(s))); v {
	case "", ServeAll:
		return ServeAll, nil
	case ServeActivities, ServeStorage:
		return v, nil
	}
	return "", fmt.Errorf("%q is not what a worker can serve; accepted: all, activities, storage", s)
}
