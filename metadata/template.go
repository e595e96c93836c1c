package metadata

import (
	"regexp"
	"strings"
)

// Template is text with placeholders in braces: an argument of a tool. What fills
// a placeholder stays inside of its argument, whatever it holds: no shell reads it.
type Template struct {
	text  string
	parts []part
}

// part is plain text, or a placeholder's name.
type part struct{ text, name string }

// The placeholders; ParamPrefix goes before a parameter's name.
const (
	WorkspacePlaceholder = "workspace" // the run's workspace
	OutputPlaceholder    = "output"    // an empty directory for what the tool writes
	WorkflowPlaceholder  = "workflow"  // the directory of the workflow's metadata.yaml
	ParamPrefix          = "params."
)

// placeholderForm is what reads as a placeholder. Other braces, of JSON or of find's
// -exec {}, are text; in two pairs of them, a name is text as well.
var placeholderForm = regexp.MustCompile(`\{\{(?:params\.[^{}]*|[A-Za-z_][A-Za-z0-9_]*)\}\}|\{(?:params\.[^{}]*|[A-Za-z_][A-Za-z0-9_]*)\}`)

func parseTemplate(text string) Template {
	t := Template{text: text}
	at := 0
	plain := func(s string) {
		if s != "" {
			t.parts = append(t.parts, part{text: s})
		}
	}
	for _, m := range placeholderForm.FindAllStringIndex(text, -1) {
		plain(text[at:m[0]])
		found := text[m[0]:m[1]]
		if inner, ok := strings.CutPrefix(found, "{{"); ok {
			plain("{" + strings.TrimSuffix(inner, "}"))
		} else {
			t.parts = append(t.parts, part{name: strings.Trim(found, "{}")})
		}
		at = m[1]
	}
	plain(text[at:])
	return t
}

// String returns the template as it was written.
func (t Template) String() string { return t.text }

// Names returns the names of the placeholders in their order.
func (t Template) Names() []string {
	var out []string
	for _, p := range t.parts {
		if p.name != "" {
			out = append(out, p.name)
		}
	}
	return out
}

// Leads returns the name of the placeholder that the template begins with, or "".
func (t Template) Leads() string {
	if len(t.parts) == 0 {
		return ""
	}
	return t.parts[0].name
}

// Fill returns the text with value's answers in the places of the placeholders. Its
// error is value's first one.
func (t Template) Fill(value func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		s, err := value(p.name)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}
