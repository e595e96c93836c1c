package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// harness has branches enough for the fuzzer to be at work all the time.
const harness = `#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *copy = malloc(size + 1);
	unsigned depth = 0, words = 0;
	memcpy(copy, data, size);
	copy[size] = 0;
	for (size_t i = 0; i < size; i++) {
		if (copy[i] == '{') depth++;
		if (copy[i] == '}' && depth > 0) depth--;
		if (copy[i] == ' ' && i > 0 && copy[i - 1] != ' ') words++;
		if (depth > 3 && words > 3 && copy[i] == '"') words = 0;
	}
	free(copy);
	return 0;
}
`

// sameWork makes each session of the fuzzer do the same.
var sameWork = []string{"-seed=1", "-runs=1500000", "-max_len=256", "-print_final_stats=0", "-verbosity=0"}

// fuzzer builds a harness for libFuzzer with AddressSanitizer in the workspace, and
// returns its command; without clang, why there is none.
func fuzzer(ctx context.Context, ws string) (args []string, why string) {
	source, program := filepath.Join(ws, "harness.c"), filepath.Join(ws, "harness")
	if err := os.WriteFile(source, []byte(harness), 0o644); err != nil {
		return nil, err.Error()
	}
	if _, err := exec.LookPath("clang"); err != nil {
		return nil, "clang is not installed"
	}
	if said, err := exec.CommandContext(ctx, "clang", "-g", "-O1", "-fsanitize=fuzzer,address", source, "-o", program).CombinedOutput(); err != nil {
		return nil, "clang: " + string(said)
	}
	return append([]string{program}, sameWork...), ""
}
