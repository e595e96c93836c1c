package metadata

import "go.yaml.in/yaml/v3"

// field is one entry of a mapping.
type field struct {
	name string
	key  *yaml.Node
	val  *yaml.Node
}

// text returns a scalar that is text; "" where it is null.
func (d *document) text(f field) string {
	n := follow(f.val)
	if n.Kind == yaml.ScalarNode {
		switch n.ShortTag() {
		case "!!null":
			return ""
		case "!!bool", "!!int", "!!float":
			d.fail(f.val, "put it in quotes", "%s must be text, not %s", f.name, kindOf(n))
			return ""
		}
		return n.Value
	}
	d.fail(f.val, "write text", "%s must be text, not %s", f.name, kindOf(n))
	return ""
}

// mapping returns the entries of a field that must be a mapping; none where it is null.
func (d *document) mapping(f field) []field {
	n := follow(f.val)
	switch {
	case n.Kind == yaml.MappingNode:
		return d.fields(n)
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return nil
	}
	d.fail(f.val, "write \"key: value\" lines below it", "%s must be a mapping, not %s", f.name, kindOf(n))
	return nil
}

// object returns a field that must be a mapping, as plain values.
func (d *document) object(f field) map[string]any {
	fields := d.mapping(f)
	if fields == nil {
		return nil
	}
	m := make(map[string]any, len(fields))
	for _, e := range fields {
		m[e.name] = d.value(e.val, 1)
	}
	return m
}

// texts returns a field that must be a list of text.
func (d *document) texts(f field) []string {
	n := follow(f.val)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(f.val, "write a list such as [a, b]", "%s must be a list of text, not %s", f.name, kindOf(n))
		return nil
	}
	var out []string
	for _, c := range n.Content {
		out = append(out, d.text(field{f.name + "'s entry", f.key, c}))
	}
	return out
}

// kindOf names a node's type for people.
func kindOf(n *yaml.Node) string {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return "a boolean"
	case "!!int", "!!float":
		return "a number"
	}
	return "text"
}
