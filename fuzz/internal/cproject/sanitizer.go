package cproject

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

// Sanitizer is one of them, or address and undefined together.
type Sanitizer struct {
	Name  string // as the variable SANITIZER of build scripts has it
	Flags []string
}

// ParseSanitizer reads the wish for a sanitizer: "" is address. Several are separated
// by commas. engine is named in the error.
func ParseSanitizer(engine, wish string) (Sanitizer, error) {
	if wish == "" {
		wish = "address"
	}
	var s Sanitizer
	parts := strings.Split(wish, ",")
	for _, part := range parts {
		flags, ok := sanitizers[part]
		// clang lets undefined and address be combined, and each of them with nothing else.
		if !ok || len(parts) > 1 && part != "address" && part != "undefined" {
			return s, &cordon.Error{
				Kind: cordon.InvalidArgument, Op: "choose the sanitizer", Name: fmt.Sprintf("%q", wish),
				Err: fmt.Errorf("%s has no such sanitizer", engine),
				Fix: "give address, undefined, memory, thread, leak or none, or address,undefined",
			}
		}
		s.Flags = append(s.Flags, flags...)
	}
	s.Name = parts[0]
	return s, nil
}
