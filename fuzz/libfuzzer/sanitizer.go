package libfuzzer

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
)

// sanitizers are those that clang has, with the flags of each. What is undefined ends the
// program, or nobody would notice.
var sanitizers = map[string][]string{
	"address":   {"-fsanitize=address"},
	"undefined": {"-fsanitize=undefined", "-fno-sanitize-recover=undefined"},
	"memory":    {"-fsanitize=memory", "-fsanitize-memory-track-origins"},
	"thread":    {"-fsanitize=thread"},
	"leak":      {"-fsanitize=leak"},
	"none":      nil,
}

// sanitizer is one of them, or address and undefined together.
type sanitizer struct {
	name  string // as the variable SANITIZER of build scripts has it
	flags []string
}

// parseSanitizer reads the wish for a sanitizer: "" is address. Several are separated by commas.
func parseSanitizer(wish string) (sanitizer, error) {
	if wish == "" {
		wish = "address"
	}
	var s sanitizer
	parts := strings.Split(wish, ",")
	for _, part := range parts {
		flags, ok := sanitizers[part]
		// clang lets undefined and address be combined, and each of them with nothing else.
		if !ok || len(parts) > 1 && part != "address" && part != "undefined" {
			return s, &cordon.Error{
				Kind: cordon.InvalidArgument, Op: "choose the sanitizer", Name: fmt.Sprintf("%q", wish),
				Err: fmt.Errorf("libfuzzer has no such sanitizer"),
				Fix: "give address, undefined, memory, thread, leak or none, or address,undefined",
			}
		}
		s.flags = append(s.flags, flags...)
	}
	s.name = parts[0]
	return s, nil
}
