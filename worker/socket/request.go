package socket

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/cordonlabs/cordon/activities"
)

// MaxBody bounds a request, in bytes: what Temporal itself carries in one message.
const MaxBody = 4 << 20

// maxName bounds each of the caller's ids, in bytes: what Temporal allows by default.
const maxName = 1000

// request is the body of a call. What it has besides is ignored, as more arguments are.
type request struct {
	Args   []json.RawMessage `json:"args"`
	Caller activities.Caller `json:"caller"`
}

// parseRequest reads one JSON object. An error of r is returned as it is; any other
// says what is wrong with the object.
func parseRequest(r io.Reader) (request, error) {
	var req request
	body, err := io.ReadAll(r)
	if err != nil {
		return req, err
	}
	if !utf8.Valid(body) { // which encoding/json would mend, and so make one id of two
		return req, errors.New("the body is not valid UTF-8")
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return req, fmt.Errorf("the body is not the object that is expected: %w", err)
	}
	by := req.Caller
	for _, f := range []struct{ name, value string }{
		{"namespace", by.Namespace}, {"workflow_id", by.WorkflowID}, {"workflow_type", by.WorkflowType}, {"run_id", by.RunID},
		{"first_run_id", by.FirstRunID}, {"activity_id", by.ActivityID}, {"task_queue", by.TaskQueue},
	} {
		if len(f.value) > maxName {
			return req, fmt.Errorf("caller.%s has %d bytes, of which at most %d are possible", f.name, len(f.value), maxName)
		}
	}
	switch {
	case (by.WorkflowID == "") != (by.RunID == ""):
		return req, errors.New("caller has one of workflow_id and run_id: a hold needs both to be asked about")
	case by.Attempt < 0:
		return req, errors.New("caller.attempt is less than nothing")
	}
	return req, nil
}
