package finding

import (
	"encoding/json"
	"strings"
	"testing"
)

func crashed() Finding {
	return Finding{RuleID: "fuzz/heap-buffer-overflow-read", Title: "heap-buffer-overflow in take", Severity: High, FilePath: "src/parse.cc", LineStart: 13, LineEnd: 13, Stacks: []Stack{
		{Message: "where it happened", Frames: []StackFrame{
			{Function: "memcpy", Module: "libc.so.6+0x10"}, {Function: "wire::take", File: "src/parse.cc", Line: 13}, {Module: "f+0x11"},
			{Function: "LLVMFuzzerTestOneInput", File: "a b/fuzz.cc", Line: 4}, {},
		}},
		{Frames: []StackFrame{{Function: "only", File: "x.cc"}}},
		{},
	}}
}

func TestStacksAreInSARIFAsStacksAndAsFlows(t *testing.T) {
	out := write(t, SARIFRun{Findings: []Finding{crashed()}})
	if p := readSchema(t).validate(out); p != nil {
		t.Fatal(p)
	}
	var log sarifLog
	if err := json.Unmarshal(out, &log); err != nil {
		t.Fatal(err)
	}
	res := log.Runs[0].Results[0]
	if len(res.Stacks) != 3 || len(res.Stacks[0].Frames) != 5 || res.Stacks[0].Frames[2].Module != "f+0x11" || res.Stacks[0].Frames[2].Location != nil {
		t.Errorf("stacks %+v", res.Stacks)
	}
	if len(res.CodeFlows) != 1 {
		t.Fatalf("%d flows; one is of a single call", len(res.CodeFlows))
	}
	var flow []string
	for _, l := range res.CodeFlows[0].ThreadFlows[0].Locations {
		flow = append(flow, l.Location.PhysicalLocation.ArtifactLocation.URI+" "+l.Location.LogicalLocations[0].FullyQualifiedName)
	}
	if got, want := strings.Join(flow, ", "), "a%20b/fuzz.cc LLVMFuzzerTestOneInput, src/parse.cc wire::take"; got != want {
		t.Errorf("the flow is %s, want %s", got, want)
	}
}
