package workspace

import (
	"encoding/json"
	"os"
	"time"
)

// event is one line of events.jsonl: who removed what, when, why, how many bytes.
type event struct {
	Time   time.Time `json:"time"`
	Host   string    `json:"host"`
	PID    int       `json:"pid"`
	Action string    `json:"action"`
	Key    key       `json:"key,omitempty"`
	Path   string    `json:"path"`
	Bytes  int64     `json:"bytes"`
	Reason string    `json:"reason"`
}

// eventsSize is how large events.jsonl grows before it becomes events.jsonl.1,
// replacing the one before: some ten thousand removals each.
const eventsSize = 4 << 20

// event appends e. The journal is for people (Journal): nothing is decided by it, so a
// line that cannot be written is not worth failing a removal for.
func (c *Cache) event(e event) {
	e.Time, e.Host, e.PID = c.now().UTC(), c.host, os.Getpid()
	b, err := json.Marshal(e)
	if err != nil {
		return
	}
	root := c.root()
	if info, err := root.Stat(eventsFile); err == nil && info.Size() > eventsSize {
		_ = root.Rename(eventsFile, eventsFile+".1")
	}
	f, err := root.OpenFile(eventsFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return
	}
	_, _ = f.Write(append(b, '\n')) // one write with O_APPEND: lines of several processes do not mix
	_ = f.Close()
}
