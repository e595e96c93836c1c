package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities/arguments"
)

var uploadResultsSignature = arguments.Signature{
	Op:    UploadResultsName,
	Names: []string{"workflow_id", "results", "results_format"},
	Usage: "call it with workflow_id (string), results (object), results_format (json or sarif, default json)",
}

// UploadResults is upload_results: it stores the object results, indented by two
// spaces and with its keys in their order, under the workflow's id and returns
// the URL of the stored object (CONTRACT §1.5). A results_format other than
// "sarif" means "json".
func (a *Activities) UploadResults(ctx context.Context, workflowID, results, format converter.RawValue) (string, error) {
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	report(Progress{Stage: "uploading"})
	url, err := a.uploadResults(life, workflowID, results, format)
	return url, failure(life, UploadResultsName, err)
}

func (a *Activities) uploadResults(ctx context.Context, workflowID, results, format converter.RawValue) (string, error) {
	args, err := arguments.Decode(uploadResultsSignature, workflowID, results, format)
	if err != nil {
		return "", err
	}
	id, err1 := args.Text("workflow_id")
	object, err2 := args.Object("results")
	kind, err3 := args.Text("results_format")
	if err := cmp.Or(err1, err2, err3); err != nil {
		return "", err
	}
	switch {
	case id == "":
		return "", args.Wrong("workflow_id", "is missing")
	case object == nil:
		return "", args.Wrong("results", "is missing")
	}
	var body bytes.Buffer
	if err := json.Indent(&body, object, "", "  "); err != nil {
		return "", args.Wrong("results", "is not well-formed JSON")
	}
	return a.results.PutResult(ctx, id, kind, body.Bytes())
}
