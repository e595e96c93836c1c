package securityassessment

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/finding"
)

// config is what the three objects say. A key that nobody knows is ignored, with
// a note, for older clients send many.
type config struct {
	inventory, code, gosec bool
	minSeverity            finding.Severity
	notes                  []string
}

func readConfig(args arguments.Arguments, scanner, analyzer, reporter json.RawMessage) (config, error) {
	c := config{inventory: true, code: true, gosec: true}
	severity := string(finding.Info)
	for _, o := range []struct {
		name string
		text json.RawMessage
		keys map[string]any
	}{
		{"scanner_config", scanner, map[string]any{"enabled": &c.inventory}},
		{"analyzer_config", analyzer, map[string]any{"code": &c.code, "gosec": &c.gosec}},
		{"reporter_config", reporter, map[string]any{"min_severity": &severity}},
	} {
		unknown, err := readObject(o.text, o.keys)
		if err != nil {
			return c, args.Wrong(o.name, err.Error())
		}
		if len(unknown) > 0 {
			c.notes = append(c.notes, fmt.Sprintf("%s has keys that are not known and were ignored: %s.", o.name, strings.Join(unknown, ", ")))
		}
	}
	var err error
	if c.minSeverity, err = finding.ParseSeverity(severity); err != nil {
		return c, args.Wrong("reporter_config", "has a min_severity that is none of info, low, medium, high and critical")
	}
	if !c.inventory && !c.code && !c.gosec {
		return c, args.Wrong("analyzer_config", "and scanner_config switch every analysis off")
	}
	return c, nil
}

// maxKeys and maxKeyLen bound the names of unknown keys that a note repeats.
const (
	maxKeys   = 20
	maxKeyLen = 60 // bytes
)

// readObject reads the keys of a JSON object into what keys points to, and
// returns the names of the others, sorted.
func readObject(text json.RawMessage, keys map[string]any) (unknown []string, err error) {
	if text == nil {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, errors.New("is not well-formed JSON")
	}
	for name, value := range object {
		into, ok := keys[name]
		if !ok {
			unknown = append(unknown, fmt.Sprintf("%.*q", maxKeyLen, name))
		} else if err := json.Unmarshal(value, into); err != nil {
			return nil, fmt.Errorf("has a key %q whose value is of the wrong type", name)
		}
	}
	slices.Sort(unknown)
	if len(unknown) > maxKeys {
		unknown = append(unknown[:maxKeys], fmt.Sprintf("and %d more", len(unknown)-maxKeys))
	}
	return unknown, nil
}
