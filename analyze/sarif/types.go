package sarif

import "encoding/json"

// The part of SARIF that is read. Names follow the specification.

type log struct {
	Version string            `json:"version"`
	Runs    []json.RawMessage `json:"runs"`
}

type run struct {
	Tool struct {
		Driver     component   `json:"driver"`
		Extensions []component `json:"extensions"`
	} `json:"tool"`
	Results     []json.RawMessage           `json:"results"`
	BaseIDs     map[string]artifactLocation `json:"originalUriBaseIds"`
	Artifacts   []artifact                  `json:"artifacts"`
	Invocations []invocation                `json:"invocations"`
}

type component struct {
	Name            string `json:"name"`
	Version         string `json:"version"`
	SemanticVersion string `json:"semanticVersion"`
	Rules           []rule `json:"rules"`
}

type rule struct {
	ID               string          `json:"id"`
	Name             string          `json:"name"`
	ShortDescription text            `json:"shortDescription"`
	FullDescription  text            `json:"fullDescription"`
	Help             text            `json:"help"`
	HelpURI          string          `json:"helpUri"`
	MessageStrings   map[string]text `json:"messageStrings"`
	Config           struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Relationships []struct {
		Target reference `json:"target"`
	} `json:"relationships"`
	Properties map[string]any `json:"properties"`
}

type text struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

// reference names a rule or a weakness, by its id or by its place in a list.
type reference struct {
	ID            string `json:"id"`
	Index         *int   `json:"index"`
	ToolComponent struct {
		Name  string `json:"name"`
		Index *int   `json:"index"`
	} `json:"toolComponent"`
}

type result struct {
	RuleID        string     `json:"ruleId"`
	RuleIndex     *int       `json:"ruleIndex"`
	Rule          *reference `json:"rule"`
	Kind          string     `json:"kind"`
	Level         string     `json:"level"`
	Message       message    `json:"message"`
	Locations     []location `json:"locations"`
	BaselineState string     `json:"baselineState"`
	Suppressions  []struct {
		Status string `json:"status"`
	} `json:"suppressions"`
	Taxa       []reference    `json:"taxa"`
	Properties map[string]any `json:"properties"`
}

type message struct {
	Text      string   `json:"text"`
	Markdown  string   `json:"markdown"`
	ID        string   `json:"id"`
	Arguments []string `json:"arguments"`
}

type location struct {
	Physical struct {
		Artifact artifactLocation `json:"artifactLocation"`
		Region   struct {
			StartLine int  `json:"startLine"`
			EndLine   int  `json:"endLine"`
			Snippet   text `json:"snippet"`
		} `json:"region"`
	} `json:"physicalLocation"`
}

type artifactLocation struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId"`
	Index     *int   `json:"index"`
}

type artifact struct {
	Location artifactLocation `json:"location"`
}

type invocation struct {
	Successful    *bool          `json:"executionSuccessful"`
	Notifications []notification `json:"toolExecutionNotifications"`
}

type notification struct {
	Level   string  `json:"level"`
	Message message `json:"message"`
}
