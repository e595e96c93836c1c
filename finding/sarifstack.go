package finding

import "slices"

// sarifStacks makes stacks what SARIF has for them: as they are, and as flows of code
// that lead to the place, which is what code hosts show. A flow has the calls whose
// place in the workspace is known, the outermost first; one of a single call says
// nothing that the result's own place does not.
func sarifStacks(stacks []Stack) (out []sarifStack, flows []sarifCodeFlow) {
	for _, s := range stacks {
		st := sarifStack{Frames: make([]sarifFrame, 0, len(s.Frames))}
		if s.Message != "" {
			st.Message = &sarifText{Text: s.Message}
		}
		var flow []sarifThreadFlowLocation
		for _, f := range s.Frames {
			loc := sarifFrameLocation(f)
			st.Frames = append(st.Frames, sarifFrame{Location: loc, Module: f.Module})
			if loc != nil && loc.PhysicalLocation != nil {
				flow = append(flow, sarifThreadFlowLocation{*loc})
			}
		}
		out = append(out, st)
		if len(flow) > 1 {
			slices.Reverse(flow)
			flows = append(flows, sarifCodeFlow{[]sarifThreadFlow{{flow}}})
		}
	}
	return out, flows
}

// sarifFrameLocation returns where a call is, or nil where nobody knows.
func sarifFrameLocation(f StackFrame) *sarifLocation {
	var loc sarifLocation
	if f.Function != "" {
		loc.LogicalLocations = []sarifLogicalLocation{{FullyQualifiedName: f.Function, Kind: "function"}}
		loc.Message = &sarifText{Text: f.Function}
	}
	if f.File != "" {
		loc.PhysicalLocation = &sarifPhysicalLocation{ArtifactLocation: sarifArtifactLocation{URI: relativeURI(f.File), URIBaseID: "SRCROOT"}}
		if f.Line > 0 {
			loc.PhysicalLocation.Region = &sarifRegion{StartLine: f.Line, EndLine: f.Line}
		}
	}
	if loc.LogicalLocations == nil && loc.PhysicalLocation == nil {
		return nil
	}
	return &loc
}
