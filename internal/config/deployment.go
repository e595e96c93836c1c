package config

import (
	"fmt"
	"regexp"
	"strings"
)

// deploymentForm is what Temporal and its command line take for the names of a worker
// deployment and of its builds without quoting: no '.' and ':' in the former, which
// separate the two.
var (
	deploymentForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	buildForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$`)
)

func parseDeployment(s string) (string, error) {
	if s != "" && !deploymentForm.MatchString(s) {
		return "", fmt.Errorf("%q is not the name of a worker deployment; accepted: 1 to 100 letters, digits, '_' or '-', such as cordon-python", s)
	}
	return s, nil
}

func parseBuildID(s string) (string, error) {
	if s != "" && !buildForm.MatchString(s) {
		return "", fmt.Errorf("%q is not a build id; accepted: 1 to 100 letters, digits, '.', '_', '+' or '-', such as 1.4.0", s)
	}
	return s, nil
}

// parseStorageSlots reads a number of activities, or 0 for the default.
func parseStorageSlots(s string) (int, error) {
	if strings.TrimSpace(s) == "0" {
		return 0, nil
	}
	return parseActivities(s)
}
